"""The number that each authorisation rule has in the list of each room version.

One and the same rule stands at 5.2.3 in version 1 and at 4.3.3 in version 8. In code it has one
name; a refusal carries the number of the event's own room version. Eight lists are in force: that
of versions 1–2, 3–5, 6, 7, 8–9, 10, 11 and 12. Rules that only allow have no entry. Numbers are
those of the published pages (rooms/v1/#authorisation-rules … rooms/v12/#authorisation-rules),
where the last rule on auth events of version 12 is 3.4.

Comments beside the rules in this package give the number in version 12, or in the last version
that has the rule.
"""

from chat.protocol.errors import AuthRefused
from chat.protocol.room_versions import RoomRules

_LISTS = ("1", "3", "6", "7", "8", "10", "11", "12")
_Row = tuple[str | None, ...]


def _same(number: str) -> _Row:
    return (number,) * len(_LISTS)


def _at(v1: str | None, v6: str | None, v12: str | None) -> _Row:
    """A rule whose number changed with versions 6 and 12 only."""
    return (v1, v1, v6, v6, v6, v6, v6, v12)


# fmt: off
_NUMBERS: dict[str, _Row] = {
    "create.prev_events":         _same("1.1"),
    "create.room_id":             _same("1.2"),
    "create.room_version":        _same("1.3"),
    "create.creator":             ("1.4", "1.4", "1.4", "1.4", "1.4", "1.4", None, None),
    "create.additional_creators": _at(None, None, "1.4"),
    "room_id":                    _at(None, None, "2"),
    "auth_events.duplicate":      _at("2.1", "2.1", "3.1"),
    "auth_events.selection":      _at("2.2", "2.2", "3.2"),
    "auth_events.rejected":       _at("2.3", "2.3", "3.3"),
    "auth_events.no_create":      _at("2.4", "2.4", None),
    "auth_events.other_room":     _at("2.5", "2.5", "3.4"),
    "federate":                   _at("3", "3", "4"),
    "aliases.state_key":          _at("4.1", None, None),
    "aliases.domain":             _at("4.2", None, None),
    "member.fields":              _at("5.1", "4.1", "5.1"),
    "member.authoriser_signed":   (None, None, None, None, "4.2.1", "4.2.1", "4.2.1", "5.2.1"),
    #                              1–2  3–5  6  7  8–9  10  11  12
    "join.sender":                ("5.2.2", "5.2.2", "4.2.2", "4.2.2",
                                   "4.3.2", "4.3.2", "4.3.2", "5.3.2"),
    "join.banned":                ("5.2.3", "5.2.3", "4.2.3", "4.2.3",
                                   "4.3.3", "4.3.3", "4.3.3", "5.3.3"),
    "join.authoriser":            (None, None, None, None,
                                   "4.3.5.2", "4.3.5.2", "4.3.5.2", "5.3.5.2"),
    "join.otherwise":             ("5.2.6", "5.2.6", "4.2.6", "4.2.6",
                                   "4.3.7", "4.3.7", "4.3.7", "5.3.7"),
    "third_party.banned":         ("5.3.1.1", "5.3.1.1", "4.3.1.1", "4.3.1.1",
                                   "4.4.1.1", "4.4.1.1", "4.4.1.1", "5.4.1.1"),
    "third_party.signed":         ("5.3.1.2", "5.3.1.2", "4.3.1.2", "4.3.1.2",
                                   "4.4.1.2", "4.4.1.2", "4.4.1.2", "5.4.1.2"),
    "third_party.mxid_token":     ("5.3.1.3", "5.3.1.3", "4.3.1.3", "4.3.1.3",
                                   "4.4.1.3", "4.4.1.3", "4.4.1.3", "5.4.1.3"),
    "third_party.mxid":           ("5.3.1.4", "5.3.1.4", "4.3.1.4", "4.3.1.4",
                                   "4.4.1.4", "4.4.1.4", "4.4.1.4", "5.4.1.4"),
    "third_party.event":          ("5.3.1.5", "5.3.1.5", "4.3.1.5", "4.3.1.5",
                                   "4.4.1.5", "4.4.1.5", "4.4.1.5", "5.4.1.5"),
    "third_party.sender":         ("5.3.1.6", "5.3.1.6", "4.3.1.6", "4.3.1.6",
                                   "4.4.1.6", "4.4.1.6", "4.4.1.6", "5.4.1.6"),
    "third_party.otherwise":      ("5.3.1.8", "5.3.1.8", "4.3.1.8", "4.3.1.8",
                                   "4.4.1.8", "4.4.1.8", "4.4.1.8", "5.4.1.8"),
    "invite.sender":              ("5.3.2", "5.3.2", "4.3.2", "4.3.2",
                                   "4.4.2", "4.4.2", "4.4.2", "5.4.2"),
    "invite.target":              ("5.3.3", "5.3.3", "4.3.3", "4.3.3",
                                   "4.4.3", "4.4.3", "4.4.3", "5.4.3"),
    "invite.otherwise":           ("5.3.5", "5.3.5", "4.3.5", "4.3.5",
                                   "4.4.5", "4.4.5", "4.4.5", "5.4.5"),
    "leave.self":                 ("5.4.1", "5.4.1", "4.4.1", "4.4.1",
                                   "4.5.1", "4.5.1", "4.5.1", "5.5.1"),
    "leave.sender":               ("5.4.2", "5.4.2", "4.4.2", "4.4.2",
                                   "4.5.2", "4.5.2", "4.5.2", "5.5.2"),
    "leave.banned":               ("5.4.3", "5.4.3", "4.4.3", "4.4.3",
                                   "4.5.3", "4.5.3", "4.5.3", "5.5.3"),
    "leave.otherwise":            ("5.4.5", "5.4.5", "4.4.5", "4.4.5",
                                   "4.5.5", "4.5.5", "4.5.5", "5.5.5"),
    "ban.sender":                 ("5.5.1", "5.5.1", "4.5.1", "4.5.1",
                                   "4.6.1", "4.6.1", "4.6.1", "5.6.1"),
    "ban.otherwise":              ("5.5.3", "5.5.3", "4.5.3", "4.5.3",
                                   "4.6.3", "4.6.3", "4.6.3", "5.6.3"),
    "knock.join_rule":            (None, None, None, "4.6.1",
                                   "4.7.1", "4.7.1", "4.7.1", "5.7.1"),
    "knock.sender":               (None, None, None, "4.6.2",
                                   "4.7.2", "4.7.2", "4.7.2", "5.7.2"),
    "knock.otherwise":            (None, None, None, "4.6.4",
                                   "4.7.4", "4.7.4", "4.7.4", "5.7.4"),
    "member.unknown":             ("5.6", "5.6", "4.6", "4.7",
                                   "4.8", "4.8", "4.8", "5.8"),
    "sender":                     _at("6", "5", "6"),
    "third_party_invite":         _at("7.1", "6.1", "7.1"),
    "required_level":             _at("8", "7", "8"),
    "state_key":                  _at("9", "8", "9"),
    "levels.integers":            (None, None, None, None, None, "9.1", "9.1", "10.1"),
    "levels.maps":                (None, None, None, None, None, "9.2", "9.2", "10.2"),
    "levels.users":               ("10.1", "10.1", "9.1", "9.1",
                                   "9.1", "9.3", "9.3", "10.3"),
    "levels.creators":            _at(None, None, "10.4"),
    "levels.property_current":    ("10.3.1", "10.3.1", "9.3.1", "9.3.1",
                                   "9.3.1", "9.5.1", "9.5.1", "10.6.1"),
    "levels.property_new":        ("10.3.2", "10.3.2", "9.3.2", "9.3.2",
                                   "9.3.2", "9.5.2", "9.5.2", "10.6.2"),
    "levels.events_current":      ("10.4.1", "10.4.1", "9.4.1", "9.4.1",
                                   "9.4.1", "9.6.1", "9.6.1", "10.7.1"),
    "levels.events_new":          ("10.5.1", "10.5.1", "9.5.1", "9.5.1",
                                   "9.5.1", "9.7.1", "9.7.1", "10.8.1"),
    "levels.users_current":       ("10.6.1", "10.6.1", "9.6.1", "9.6.1",
                                   "9.6.1", "9.8.1", "9.8.1", "10.9.1"),
    "levels.users_new":           ("10.7.1", "10.7.1", "9.7.1", "9.7.1",
                                   "9.7.1", "9.9.1", "9.9.1", "10.10.1"),
    "redaction":                  ("11.3", None, None, None, None, None, None, None),
}
# fmt: on


def refusal(rules: RoomRules, rule: str, message: str) -> AuthRefused:
    """The exception for a rule by its name, with its number in the version's list."""
    number = _NUMBERS[rule][_LISTS.index(rules.auth_rule_list)]
    assert number is not None, f"{rule} is no rule of room version {rules.version}"
    return AuthRefused(message, number)
