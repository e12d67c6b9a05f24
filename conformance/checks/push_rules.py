"""The push rules that every user begins with."""

from conformance.client import World

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
