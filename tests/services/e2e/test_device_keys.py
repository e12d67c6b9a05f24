"""Keys of devices: uploaded, asked for, claimed once; messages from device to device."""

import threading

import pytest

from chat.protocol.errors import InvalidIdentifier, InvalidParam, Unknown
from chat.services.accounts import register
from chat.services.accounts.login import DeviceWish
from chat.services.accounts.register import NewAccount
from chat.services.caller import Caller
from chat.services.e2e import device_keys, to_device
from chat.storage import devices, keys

ALICE = Caller("@alice:a.example", "PHONE")
BOB = Caller("@bob:a.example", "DESK")
IDENTITY = {
    "user_id": ALICE.user_id,
    "device_id": ALICE.device_id,
    "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
    "keys": {"ed25519:PHONE": "abc"},
    "signatures": {},
}
CURVE = "signed_curve25519"


@pytest.fixture
def people(server):
    for caller in (ALICE, BOB):
        name = caller.user_id[1:].split(":")[0]
        register.create_account(server, NewAccount(name, None, DeviceWish(caller.device_id)))


def one_time_keys(*ids):
    return {f"{CURVE}:{key_id}": {"key": key_id, "signatures": {}} for key_id in ids}


def claim_from_alice(server):
    claimed = device_keys.claim(server, {ALICE.user_id: {"PHONE": CURVE}})
    return claimed.get(ALICE.user_id, {}).get("PHONE")


@pytest.mark.usefixtures("people")
class TestKeys:
    def test_identity_keys_are_found_with_the_device_name(self, server):
        device_keys.upload(server, ALICE, {**IDENTITY, "unsigned": {"mine": 1}}, {}, {})
        server.store.write(lambda tx: devices.rename(tx, ALICE.user_id, "PHONE", "Pocket"))
        found = device_keys.query(server, {ALICE.user_id: []})
        assert found == {
            ALICE.user_id: {"PHONE": {**IDENTITY, "unsigned": {"device_display_name": "Pocket"}}}
        }

    def test_only_wanted_devices_and_local_users_are_shown(self, server):
        device_keys.upload(server, ALICE, IDENTITY, {}, {})
        wanted = {ALICE.user_id: ["OTHER"], "@x:elsewhere": []}
        assert device_keys.query(server, wanted) == {ALICE.user_id: {}}

    @pytest.mark.parametrize("owner", [{"user_id": BOB.user_id}, {"device_id": "OTHER"}])
    def test_identity_keys_of_somebody_else_are_refused(self, server, owner):
        with pytest.raises(InvalidParam):
            device_keys.upload(server, ALICE, {**IDENTITY, **owner}, {}, {})

    def test_changed_identity_keys_change_the_device_list_and_repeated_ones_do_not(self, server):
        def position():
            return server.store.read(
                lambda tx: tx.row(
                    "SELECT pos FROM device_lists WHERE user_id = :u", u=ALICE.user_id
                )
            )

        device_keys.upload(server, ALICE, IDENTITY, {}, {})
        first = position()
        device_keys.upload(server, ALICE, IDENTITY, {}, {})
        assert position() == first
        device_keys.upload(server, ALICE, {**IDENTITY, "algorithms": []}, {}, {})
        assert position() > first

    def test_each_one_time_key_is_claimed_once_oldest_first(self, server, clock):
        device_keys.upload(server, ALICE, None, one_time_keys("B"), {})
        clock.advance(seconds=1)
        counts = device_keys.upload(server, ALICE, None, one_time_keys("A"), {})
        assert counts == {CURVE: 2}
        assert list(claim_from_alice(server)) == [f"{CURVE}:B"]
        assert list(claim_from_alice(server)) == [f"{CURVE}:A"]
        assert claim_from_alice(server) is None

    def test_the_fallback_key_is_given_when_none_is_left_again_and_again(self, server):
        device_keys.upload(server, ALICE, None, {}, one_time_keys("F"))
        unused = lambda tx: keys.unused_fallback_types(tx, ALICE.user_id, "PHONE")  # noqa: E731
        assert server.store.read(unused) == [CURVE]
        assert list(claim_from_alice(server)) == list(claim_from_alice(server)) == [f"{CURVE}:F"]
        assert server.store.read(unused) == []

    def test_claims_at_the_same_time_get_different_keys(self, server):
        names = [str(number) for number in range(8)]
        device_keys.upload(server, ALICE, None, one_time_keys(*names), {})
        claimed = []
        claimers = [
            threading.Thread(target=lambda: claimed.extend(claim_from_alice(server))) for _ in names
        ]
        for claimer in claimers:
            claimer.start()
        for claimer in claimers:
            claimer.join()
        assert sorted(claimed) == [f"{CURVE}:{name}" for name in names]

    def test_a_repeated_upload_changes_nothing_and_another_value_is_refused(self, server):
        device_keys.upload(server, ALICE, None, one_time_keys("A"), {})
        assert device_keys.upload(server, ALICE, None, one_time_keys("A"), {}) == {CURVE: 1}
        with pytest.raises(Unknown):
            device_keys.upload(server, ALICE, None, {f"{CURVE}:A": {"key": "other"}}, {})

    @pytest.mark.parametrize("name", ["A", ":A", "curve:", ""])
    def test_key_names_need_algorithm_and_id(self, server, name):
        with pytest.raises(InvalidParam):
            device_keys.upload(server, ALICE, None, {name: "x"}, {})

    def test_names_that_are_no_user_ids_are_refused(self, server):
        for call in (
            lambda: device_keys.query(server, {"alice": []}),
            lambda: device_keys.claim(server, {"alice": {}}),
            lambda: to_device.send(server, BOB, "m.x", {"alice": {}}, "/p"),
        ):
            with pytest.raises(InvalidIdentifier):
                call()

    def test_a_removed_device_leaves_no_keys(self, server):
        device_keys.upload(server, ALICE, IDENTITY, one_time_keys("A"), one_time_keys("F"))
        server.store.write(lambda tx: devices.delete(tx, ALICE.user_id, ["PHONE"]))
        assert claim_from_alice(server) is None
        assert device_keys.query(server, {ALICE.user_id: []}) == {ALICE.user_id: {}}


@pytest.mark.usefixtures("people")
class TestToDevice:
    def waiting(self, server, caller):
        found = server.store.read(
            lambda tx: keys.messages_for(tx, caller.user_id, caller.device_id, 10**9, 100)
        )
        return [(message.sender, message.kind, message.content) for message in found]

    def test_messages_reach_one_device_or_all(self, server):
        to_device.send(server, BOB, "m.x", {ALICE.user_id: {"PHONE": {"n": 1}}}, "/1")
        to_device.send(server, BOB, "m.x", {ALICE.user_id: {"*": {"n": 2}}}, "/2")
        assert self.waiting(server, ALICE) == [
            (BOB.user_id, "m.x", '{"n":1}'),
            (BOB.user_id, "m.x", '{"n":2}'),
        ]

    def test_a_repeat_of_the_same_path_sends_nothing(self, server):
        for _ in range(2):
            to_device.send(server, BOB, "m.x", {ALICE.user_id: {"*": {}}}, "/same")
        assert len(self.waiting(server, ALICE)) == 1

    def test_unknown_devices_and_users_are_passed_over(self, server):
        messages = {ALICE.user_id: {"OTHER": {}}, "@nobody:a.example": {"*": {}}, "@x:b": {"*": {}}}
        to_device.send(server, BOB, "m.x", messages, "/3")
        assert self.waiting(server, ALICE) == []

    def test_confirmed_messages_are_forgotten(self, server):
        to_device.send(server, BOB, "m.x", {ALICE.user_id: {"*": {}}}, "/4")
        server.store.write(lambda tx: keys.delete_messages(tx, ALICE.user_id, "PHONE", 10**9))
        assert self.waiting(server, ALICE) == []
