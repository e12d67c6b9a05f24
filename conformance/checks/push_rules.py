"""The push rules that every user begins with."""

from conformance.client import User, World

RULE = "/pushrules/global/{}/{}"


def check_default_rules(world: World) -> None:
    """A new user has the predefined rules, each of them marked as such."""
    rules = world.user().get("/pushrules/").ok()["global"]
    assert {"override", "content", "room", "sender", "underride"} <= rules.keys()
    overrides = {rule["rule_id"]: rule for rule in rules["override"]}
    assert {
        ".m.rule.master",
        ".m.rule.suppress_notices",
        ".m.rule.invite_for_me",
        ".m.rule.is_user_mention",
        ".m.rule.is_room_mention",
    } <= overrides.keys()
    underrides = {rule["rule_id"] for rule in rules["underride"]}
    assert {".m.rule.room_one_to_one", ".m.rule.message", ".m.rule.encrypted"} <= underrides
    assert all(rule["default"] for rule in rules["override"] + rules["underride"])


def check_master_rule(world: World) -> None:
    """The master rule comes first and is switched off."""
    user = world.user()
    first = user.get("/pushrules/").ok()["global"]["override"][0]
    assert (first["rule_id"], first["enabled"]) == (".m.rule.master", False)


def check_global_rules(world: World) -> None:
    """The global rules alone are those of the whole."""
    user = world.user()
    assert user.get("/pushrules/global/").ok() == user.get("/pushrules/").ok()["global"]


def check_one_rule(world: World) -> None:
    """One rule is read by kind and ID, and so are its switch and its actions."""
    user = world.user()
    rule = user.get(RULE, "underride", ".m.rule.message").ok()
    assert (rule["rule_id"], rule["enabled"]) == (".m.rule.message", True)
    assert "notify" in rule["actions"]
    answer = user.get(RULE + "/enabled", "underride", ".m.rule.message")
    assert answer.ok() == {"enabled": True}
    answer = user.get(RULE + "/actions", "underride", ".m.rule.message")
    assert answer.ok() == {"actions": rule["actions"]}


def check_unknown_rule(world: World) -> None:
    """A rule that does not exist is not found."""
    user = world.user()
    user.get(RULE, "underride", ".m.rule.lunch").refused(404, "M_NOT_FOUND")
    user.get(RULE, "override", ".m.rule.message").refused(404, "M_NOT_FOUND")


def check_unknown_kind(world: World) -> None:
    """A kind of rule that does not exist is refused."""
    answer = world.user().get(RULE, "sideride", ".m.rule.message")
    answer.refused(400, "M_INVALID_PARAM")


def check_rules_are_synced(world: World) -> None:
    """The push rules come as account data with the first sync."""
    user = world.user()
    events = user.sync()["account_data"]["events"]
    (content,) = (event["content"] for event in events if event["type"] == "m.push_rules")
    assert content == user.get("/pushrules/").ok()


def check_mention_rule_names_the_user(world: World) -> None:
    """The rule for mentions is made for its user."""
    user = world.user()
    rule = user.get(RULE, "override", ".m.rule.is_user_mention").ok()
    assert user.user_id in [condition.get("value") for condition in rule["conditions"]]


def check_rule_is_made_and_changed(world: World) -> None:
    """A user makes a rule, turns it off, gives it other actions and deletes it, once."""
    user = world.user()
    body = {"pattern": "dinner", "actions": ["notify"]}
    user.put(RULE, "content", "dinner", body=body).ok()
    user.put(RULE + "/enabled", "content", "dinner", body={"enabled": False}).ok()
    user.put(RULE + "/actions", "content", "dinner", body={"actions": []}).ok()
    rule = user.get(RULE, "content", "dinner").ok()
    assert (rule["enabled"], rule["actions"], rule["pattern"]) == (False, [], "dinner")
    user.delete(RULE, "content", "dinner").ok()
    user.delete(RULE, "content", "dinner").refused(404, "M_NOT_FOUND")


def check_rule_beside_none(world: World) -> None:
    """A rule is not put before one that does not exist, nor is a rule of the server made anew."""
    user = world.user()
    body = {"pattern": "dinner", "actions": ["notify"]}
    answer = user.put(RULE, "content", "dinner", body=body, before="lunch")
    answer.refused(400, "M_UNKNOWN")
    answer = user.put(RULE, "content", ".m.rule.lunch", body=body)
    assert answer.status in (400, 404), answer.status


TEA = {"pattern": "tea", "actions": ["notify"]}


def own_rules(user: User, kind: str) -> list[str]:
    """The IDs of the user's own rules of a kind, in order."""
    rules = user.get("/pushrules/").ok()["global"][kind]
    return [rule["rule_id"] for rule in rules if not rule["default"]]


def check_predefined_rules_in_full(world: World) -> None:
    """The predefined rules are those of the specification, in its order."""
    rules = world.user().get("/pushrules/").ok()["global"]
    assert [rule["rule_id"] for rule in rules["override"]] == [
        ".m.rule.master",
        ".m.rule.suppress_notices",
        ".m.rule.invite_for_me",
        ".m.rule.member_event",
        ".m.rule.is_user_mention",
        ".m.rule.is_room_mention",
        ".m.rule.tombstone",
        ".m.rule.reaction",
        ".m.rule.room.server_acl",
        ".m.rule.suppress_edits",
    ]
    assert [rule["rule_id"] for rule in rules["underride"]] == [
        ".m.rule.call",
        ".m.rule.encrypted_room_one_to_one",
        ".m.rule.room_one_to_one",
        ".m.rule.message",
        ".m.rule.encrypted",
    ]
    assert (rules["content"], rules["room"], rules["sender"]) == ([], [], [])


def check_new_rules_come_first(world: World) -> None:
    """A new rule is the first of the user's own, behind the master rule, and enabled."""
    user = world.user()
    for name in ("one", "two"):
        user.put(RULE, "override", name, body={"actions": [], "conditions": []}).ok()
    ids = [rule["rule_id"] for rule in user.get("/pushrules/").ok()["global"]["override"]]
    assert ids[:4] == [".m.rule.master", "two", "one", ".m.rule.suppress_notices"]
    rule = user.get(RULE, "override", "one").ok()
    assert (rule["default"], rule["enabled"]) == (False, True)


def check_places_of_rules(world: World) -> None:
    """A rule is placed before or after another one, or stays where it is."""
    user = world.user()
    for name in ("one", "two", "three"):
        user.put(RULE, "content", name, body=TEA).ok()
    assert own_rules(user, "content") == ["three", "two", "one"]
    user.put(RULE, "content", "new", body=TEA, before="two").ok()
    assert own_rules(user, "content") == ["three", "new", "two", "one"]
    user.put(RULE, "content", "three", body=TEA, after="one").ok()
    assert own_rules(user, "content") == ["new", "two", "one", "three"]
    user.put(RULE, "content", "three", body=TEA, after="new", before="one").ok()
    assert own_rules(user, "content") == ["new", "two", "three", "one"]
    user.put(RULE, "content", "two", body=TEA | {"pattern": "coffee"}).ok()
    assert own_rules(user, "content") == ["new", "two", "three", "one"]
    assert user.get(RULE, "content", "two").ok()["pattern"] == "coffee"


def check_replaced_rules_stay_as_they_were(world: World) -> None:
    """A rule that was switched off and is replaced stays off."""
    user = world.user()
    user.put(RULE, "content", "tea", body=TEA).ok()
    user.put(RULE + "/enabled", "content", "tea", body={"enabled": False}).ok()
    user.put(RULE, "content", "tea", body=TEA).ok()
    assert user.get(RULE + "/enabled", "content", "tea").ok() == {"enabled": False}


def check_rules_beside_predefined_ones(world: World) -> None:
    """Nothing is placed beside a predefined rule, or one of another kind."""
    user = world.user()
    user.put(RULE, "content", "tea", body=TEA).ok()
    for neighbour in (".m.rule.reaction", "tea", "nothing"):
        for side in ("before", "after"):
            answer = user.put(RULE, "override", "one", body={"actions": []}, **{side: neighbour})
            answer.refused(400, "M_UNKNOWN")
    assert own_rules(user, "override") == []


def check_unlawful_rules(world: World) -> None:
    """Rules with unlawful IDs, without a pattern, or with unlawful actions are refused."""
    user = world.user()
    for name in (".m.rule.message", ".m.rule.call"):
        answer = user.put(RULE, "underride", name, body={"actions": []})
        answer.refused(400, "M_INVALID_PARAM")
    for name in ("a\\b", "a/b"):
        user.put(RULE, "content", name, body=TEA).refused(400, "M_INVALID_PARAM")
    user.put(RULE, "content", ".mine", body=TEA).refused(404, "M_NOT_FOUND")
    user.put(RULE, "content", "tea", body={"actions": []}).refused(400, "M_MISSING_PARAM")
    user.put(RULE, "content", "tea", body={"pattern": "tea"}).refused(400, "M_MISSING_PARAM")
    for actions in (["shout"], [{"tweak": "sound"}]):
        answer = user.put(RULE, "content", "tea", body=TEA | {"actions": actions})
        answer.refused(400, "M_INVALID_PARAM", "M_BAD_JSON", "M_MISSING_PARAM")


def check_actions_of_the_past(world: World) -> None:
    """The actions dont_notify and coalesce are taken, and mean nothing."""
    user = world.user()
    body = TEA | {"actions": ["dont_notify", "notify", "coalesce"]}
    user.put(RULE, "content", "tea", body=body).ok()
    assert user.get(RULE + "/actions", "content", "tea").ok() == {"actions": ["notify"]}


def check_predefined_rules_are_tuned(world: World) -> None:
    """A predefined rule is switched and given other actions, but not deleted."""
    user = world.user()
    path = (RULE, "underride", ".m.rule.message")
    user.put(RULE + "/enabled", *path[1:], body={"enabled": False}).ok()
    user.put(RULE + "/actions", *path[1:], body={"actions": []}).ok()
    rule = user.get(*path).ok()
    assert (rule["enabled"], rule["actions"], rule["default"]) == (False, [], True)
    assert world.user().get(*path).ok()["enabled"]
    user.delete(*path).refused(400, "M_INVALID_PARAM")
    answer = user.put(RULE + "/actions", *path[1:], body={"actions": ["shout"]})
    answer.refused(400, "M_INVALID_PARAM")


def check_unknown_rules_are_not_changed(world: World) -> None:
    """What does not exist is neither read, switched, changed nor deleted."""
    user = world.user()
    for kind, name in (("content", "tea"), ("override", ".m.rule.lunch")):
        for leaf in ("", "/enabled", "/actions"):
            user.get(RULE + leaf, kind, name).refused(404, "M_NOT_FOUND")
        user.put(RULE + "/enabled", kind, name, body={"enabled": True}).refused(404, "M_NOT_FOUND")
        user.put(RULE + "/actions", kind, name, body={"actions": []}).refused(404, "M_NOT_FOUND")
        user.delete(RULE, kind, name).refused(404, "M_NOT_FOUND")


def check_changed_rules_are_synced(world: World) -> None:
    """Changed rules come whole with the next sync, and are read as account data."""
    user = world.user()
    since = user.sync()["next_batch"]
    user.put(RULE, "sender", "@bob:example.org", body={"actions": []}).ok()
    wanted = user.get("/pushrules/").ok()
    answer = user.sync(since)
    events = answer["account_data"]["events"]
    assert [one["content"] for one in events if one["type"] == "m.push_rules"] == [wanted]
    path = "/user/{}/account_data/m.push_rules"
    assert user.get(path, user.user_id).ok() == wanted
    assert "account_data" not in user.sync(answer["next_batch"])


def check_rules_are_not_set_as_account_data(world: World) -> None:
    """Push rules are not set as account data."""
    user = world.user()
    path = "/user/{}/account_data/m.push_rules"
    user.put(path, user.user_id, body={"global": {}}).refused(405, "M_BAD_JSON")


def check_rules_follow_an_upgrade(world: World) -> None:
    """A rule for a room holds for the room that replaces it."""
    alice = world.user("alice")
    room = alice.create_room()
    alice.put(RULE, "room", room, body={"actions": []}).ok()
    answer = alice.post("/rooms/{}/upgrade", room, body={"new_version": "12"}).ok()
    assert own_rules(alice, "room") == [answer["replacement_room"], room]
