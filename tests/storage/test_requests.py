"""Requests that are remembered by digests."""

from chat.storage import requests
from chat.storage.engine import Store
from chat.storage.requests import FIRST, Key, device_digest, key_of

ALICE, BOB = "@alice:a.example", "@bob:a.example"
PATH = "/_matrix/client/v3/rooms/!room:a.example/send/m.room.message/1"


def test_device_and_path_make_a_request() -> None:
    keys = {
        key_of(user, device, path)
        for user in (ALICE, BOB)
        for device in ("A", "B")
        for path in (PATH, PATH + "1")
    }
    assert len(keys) == 8
    assert {key.device for key in keys} == {
        device_digest(user, device) for user in (ALICE, BOB) for device in ("A", "B")
    }


def test_each_request_is_claimed_once(store: Store) -> None:
    mine, other = key_of(ALICE, "A", PATH), key_of(BOB, "A", PATH)
    assert store.write(lambda tx: requests.claim(tx, mine, 1))
    assert not store.write(lambda tx: requests.claim(tx, mine, 2))
    assert store.write(lambda tx: requests.claim(tx, other, 2))


def test_a_new_device_of_an_old_name_begins_anew(store: Store) -> None:
    here, there = key_of(ALICE, "A", PATH), key_of(ALICE, "B", PATH)
    store.write(lambda tx: requests.remember(tx, [(here, 1), (there, 2)], 0))
    store.write(lambda tx: requests.forget_devices(tx, ALICE, ["A"]))
    assert store.read(lambda tx: requests.answers(tx, [here, there])) == {there: 2}


def test_they_are_gone_through_in_order(store: Store) -> None:
    keys = sorted(key_of(user, device, PATH) for user in (ALICE, BOB) for device in "ABC")
    store.write(lambda tx: requests.remember(tx, [(key, 1) for key in keys], 7))
    assert seen(store, FIRST) == [(key, 7) for key in keys[:4]]
    assert seen(store, keys[3]) == [(key, 7) for key in keys[4:]]
    store.write(lambda tx: requests.forget(tx, keys[1:]))
    assert seen(store, FIRST) == [(keys[0], 7)]


def seen(store: Store, after: Key) -> list[tuple[Key, int]]:
    return store.read(lambda tx: requests.after(tx, after, 4))
