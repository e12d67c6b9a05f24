"""Keys for end-to-end encryption, and who is told when they change.

The server checks no signature of these keys, so the values here need only look like keys.
"""

from conformance.client import Json, User, World
from conformance.parallel import together

CURVE = "signed_curve25519"


def device_keys(user: User, identity: str = "identity") -> Json:
    """Identity keys of the user's device."""
    return {
        "user_id": user.user_id,
        "device_id": user.device_id,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "keys": {
            f"curve25519:{user.device_id}": identity,
            f"ed25519:{user.device_id}": "fingerprint",
        },
        "signatures": {user.user_id: {f"ed25519:{user.device_id}": "signature"}},
    }


def one_time_key(user: User, key: str) -> Json:
    """A signed one-time key."""
    signature = {f"ed25519:{user.device_id}": "signature"}
    return {"key": key, "signatures": {user.user_id: signature}}


def upload(user: User, *names: str) -> Json:
    """Upload identity keys and one-time keys of these names; the counts that are answered."""
    keys = {f"{CURVE}:{name}": one_time_key(user, f"key {name}") for name in names}
    body = {"device_keys": device_keys(user), "one_time_keys": keys}
    counts: Json = user.post("/keys/upload", body=body).ok()["one_time_key_counts"]
    return counts


def claim(caller: User, owner: User) -> Json:
    """Claim a one-time key of a device: the key by its ID, nothing where there is none."""
    body = {"one_time_keys": {owner.user_id: {owner.device_id: CURVE}}}
    claimed = caller.post("/keys/claim", body=body).ok()["one_time_keys"]
    found: Json = claimed.get(owner.user_id, {}).get(owner.device_id, {})
    return found


def changed(user: User, since: str) -> list[str]:
    """The users whose keys have changed, as a sync tells."""
    users: list[str] = user.sync(since).get("device_lists", {}).get("changed", [])
    return users


def encrypted_room(world: World) -> tuple[User, User, str]:
    """Alice and Bob in an encrypted room."""
    alice, bob = world.user("alice"), world.user("bob")
    content = {"algorithm": "m.megolm.v1.aes-sha2"}
    state = [{"type": "m.room.encryption", "content": content}]
    room = alice.create_room(preset="public_chat", initial_state=state)
    bob.join(room)
    return alice, bob, room


def check_upload_counts(world: World) -> None:
    """An upload of keys is answered with the number of one-time keys."""
    user = world.user()
    assert upload(user, "A", "B") == {CURVE: 2}
    assert user.post("/keys/upload", body={}).ok()["one_time_key_counts"] == {CURVE: 2}


def check_identity_keys(world: World) -> None:
    """The identity keys of a device are found by other users, with the device's name."""
    alice, bob = world.user("alice"), world.user("bob")
    upload(alice)
    alice.put("/devices/{}", alice.device_id, body={"display_name": "Radio"}).ok()
    body: Json = {"device_keys": {alice.user_id: []}}
    found = bob.post("/keys/query", body=body).ok()["device_keys"][alice.user_id]
    keys = found[alice.device_id]
    unsigned = keys.pop("unsigned", {})
    assert keys == device_keys(alice)
    assert unsigned.get("device_display_name", "Radio") == "Radio"


def check_keys_of_some_devices(world: World) -> None:
    """The identity keys of the wanted devices are found and no others."""
    alice = world.user("alice")
    phone = alice.new_device()
    upload(alice)
    upload(phone)
    body = {"device_keys": {alice.user_id: [phone.device_id]}}
    found = world.user().post("/keys/query", body=body).ok()["device_keys"][alice.user_id]
    assert found.keys() == {phone.device_id}


def check_keys_of_unknown_users(world: World) -> None:
    """Users who do not exist or have no keys have no keys."""
    alice = world.user("alice")
    nobody = f"@{world.name('nobody')}:{world.server_name}"
    body = {"device_keys": {nobody: [], alice.user_id: ["NOSUCH"]}}
    found = world.user().post("/keys/query", body=body).ok()["device_keys"]
    assert found.get(nobody, {}) == found.get(alice.user_id, {}) == {}


def check_keys_of_no_user(world: World) -> None:
    """Keys are asked of user IDs and of nothing else."""
    user = world.user()
    user.post("/keys/query", body={"device_keys": {"alice": []}}).refused(400, "M_INVALID_PARAM")
    user.post("/keys/query", body={}).refused(400, "M_MISSING_PARAM")
    answer = user.post("/keys/query", body={"device_keys": {user.user_id: "ALL"}})
    answer.refused(400, "M_BAD_JSON")


def check_keys_of_another_device(world: World) -> None:
    """Identity keys that name another user or device are refused."""
    alice, bob = world.user("alice"), world.user("bob")
    phone = alice.new_device()
    for wrong in (bob, phone):
        answer = alice.post("/keys/upload", body={"device_keys": device_keys(wrong)})
        answer.refused(400, "M_INVALID_PARAM")


def check_keys_end_with_the_device(world: World) -> None:
    """The keys of a device that has logged out are gone."""
    alice = world.user("alice")
    phone = alice.new_device()
    upload(phone, "A")
    phone.post("/logout").ok()
    body: Json = {"device_keys": {alice.user_id: []}}
    found = alice.post("/keys/query", body=body).ok()["device_keys"]
    assert phone.device_id not in found.get(alice.user_id, {})
    assert claim(alice, phone) == {}


def check_one_time_keys_are_claimed_once(world: World) -> None:
    """Every one-time key is given to one claimant only."""
    alice, bob = world.user("alice"), world.user("bob")
    upload(alice, "A", "B")
    first, second, third = claim(bob, alice), claim(bob, alice), claim(bob, alice)
    assert {*first, *second} == {f"{CURVE}:A", f"{CURVE}:B"}
    assert third == {}
    assert first.popitem()[1]["signatures"].keys() == {alice.user_id}


def check_race_for_one_time_keys(world: World) -> None:
    """Claimants at the same time are given different one-time keys."""
    alice, bob = world.user("alice"), world.user("bob")
    upload(alice, "A", "B", "C", "D")
    claims = together(*(lambda: claim(bob, alice),) * 4)
    assert sorted(key for found in claims for key in found) == [f"{CURVE}:{n}" for n in "ABCD"]


def check_one_time_key_is_kept(world: World) -> None:
    """A one-time key can be uploaded again as it is, and not with another value."""
    user = world.user()
    upload(user, "A")
    assert upload(user, "A") == {CURVE: 1}
    other = {f"{CURVE}:A": one_time_key(user, "another")}
    user.post("/keys/upload", body={"one_time_keys": other}).refused(400, "M_UNKNOWN")


def check_fallback_key(world: World) -> None:
    """When no one-time key is left the fallback key is given, again and again."""
    alice, bob = world.user("alice"), world.user("bob")
    upload(alice, "A")
    fallback = {f"{CURVE}:F": one_time_key(alice, "last") | {"fallback": True}}
    alice.post("/keys/upload", body={"fallback_keys": fallback}).ok()
    assert alice.sync()["device_unused_fallback_key_types"] == [CURVE]
    assert claim(bob, alice).keys() == {f"{CURVE}:A"}
    assert claim(bob, alice) == claim(bob, alice) == fallback
    assert alice.sync()["device_unused_fallback_key_types"] == []


def check_claim_of_nobody(world: World) -> None:
    """No key is claimed of users and devices that do not exist."""
    alice = world.user("alice")
    nobody = f"@{world.name('nobody')}:{world.server_name}"
    body = {"one_time_keys": {nobody: {"X": CURVE}, alice.user_id: {"NOSUCH": CURVE}}}
    found = alice.post("/keys/claim", body=body).ok()["one_time_keys"]
    assert found.get(nobody, {}) == found.get(alice.user_id, {}) == {}


def check_counts_in_sync(world: World) -> None:
    """A sync tells how many one-time keys are left, also after a claim."""
    alice, bob = world.user("alice"), world.user("bob")
    upload(alice, "A", "B", "C")
    first = alice.sync()
    assert first["device_one_time_keys_count"] == {CURVE: 3}
    claim(bob, alice)
    second = alice.sync(first["next_batch"])
    assert second["device_one_time_keys_count"] == {CURVE: 2}


def check_counts_are_per_device(world: World) -> None:
    """The one-time keys of one device are not counted for another."""
    alice = world.user("alice")
    upload(alice, "A")
    counts = alice.new_device().sync().get("device_one_time_keys_count", {})
    assert counts.get(CURVE, 0) == 0


def check_new_device_is_told(world: World) -> None:
    """Who shares a room is told of a device with new keys, and may ask for the changes later."""
    alice, bob, _ = encrypted_room(world)
    since = alice.sync()["next_batch"]
    upload(bob)
    answer = alice.sync(since)
    assert bob.user_id in answer["device_lists"]["changed"]
    asked = alice.get("/keys/changes", from_=since, to=answer["next_batch"]).ok()
    assert bob.user_id in asked["changed"]


def check_logout_is_told(world: World) -> None:
    """Who shares a room is told when a device is gone."""
    alice, bob, _ = encrypted_room(world)
    phone = bob.new_device()
    upload(phone)
    since = alice.sync()["next_batch"]
    phone.post("/logout").ok()
    assert bob.user_id in changed(alice, since)


def check_strangers_are_not_told(world: World) -> None:
    """Who shares no room is not told of changed keys."""
    alice, bob = world.user("alice"), world.user("bob")
    since = alice.sync()["next_batch"]
    upload(bob)
    assert bob.user_id not in changed(alice, since)


def check_new_company_is_told(world: World) -> None:
    """Users who begin to share an encrypted room are told to each other."""
    alice, _, room = encrypted_room(world)
    carol = world.user("carol")
    upload(carol)
    alices, carols = alice.sync()["next_batch"], carol.sync()["next_batch"]
    carol.join(room)
    assert carol.user_id in changed(alice, alices)
    assert alice.user_id in changed(carol, carols)


def check_lost_company_is_told(world: World) -> None:
    """Users who no longer share an encrypted room are told to each other."""
    alice, bob, room = encrypted_room(world)
    since = alice.sync()["next_batch"]
    bob.leave(room)
    assert bob.user_id in alice.sync(since)["device_lists"]["left"]


def check_unknown_tokens(world: World) -> None:
    """Changes are asked for between tokens that the server gave out."""
    user = world.user()
    token = user.sync()["next_batch"]
    user.get("/keys/changes", from_="made-up", to=token).refused(400, "M_INVALID_PARAM")
    user.get("/keys/changes", from_=token).refused(400, "M_MISSING_PARAM")


def check_incomplete_identity_keys(world: World) -> None:
    """Identity keys that lack what they need are refused."""
    user = world.user()
    body = {"device_keys": {"user_id": user.user_id, "device_id": user.device_id}}
    user.post("/keys/upload", body=body).refused(400, "M_BAD_JSON")


def check_claim_of_what_is_no_user(world: World) -> None:
    """Keys are claimed from users; what is no user ID is refused."""
    body = {"one_time_keys": {"alice": {"DEVICE": "signed_curve25519"}}}
    world.user().post("/keys/claim", body=body).refused(400, "M_INVALID_PARAM")
