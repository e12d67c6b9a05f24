"""Rule 5: m.room.member."""

from collections.abc import Callable

from chat.protocol.auth_rules.numbering import refusal
from chat.protocol.auth_rules.room_state import RoomState
from chat.protocol.auth_rules.third_party import check_third_party_signature
from chat.protocol.event import Event
from chat.protocol.identifiers import is_user_id, server_of

SignedBy = Callable[[Event, str], bool]


def check_member(event: Event, state: RoomState, signed_by: SignedBy) -> None:
    """Raises AuthRefused unless the sender may set this membership."""
    rules, target = state.rules, event.state_key
    membership = event.content.get("membership")
    if target is None or "membership" not in event.content:  # 5.1
        raise refusal(rules, "member.fields", "A membership event has state_key and membership")
    if rules.restricted_joins and "join_authorised_via_users_server" in event.content:  # 5.2
        _check_authoriser_signed(event, state, signed_by)
    if membership == "join":  # 5.3
        _check_join(event, target, state)
    elif membership == "invite":  # 5.4
        _check_invite(event, target, state)
    elif membership == "leave":  # 5.5
        _check_leave(event, target, state)
    elif membership == "ban":  # 5.6
        _check_ban(event, target, state)
    elif membership == "knock" and rules.knocking:  # 5.7
        _check_knock(event, target, state)
    else:  # 5.8
        raise refusal(rules, "member.unknown", "Unknown membership")


def _check_authoriser_signed(event: Event, state: RoomState, signed_by: SignedBy) -> None:
    authoriser = event.content["join_authorised_via_users_server"]
    if not is_user_id(authoriser) or not signed_by(event, server_of(authoriser)):  # 5.2.1
        message = "Not signed by the server of the user who authorised the join"
        raise refusal(state.rules, "member.authoriser_signed", message)


def _check_join(event: Event, target: str, state: RoomState) -> None:
    rules = state.rules
    if event.prev_events == (state.create.event_id,) and target == _first_member(state):  # 5.3.1
        return
    if event.sender != target:  # 5.3.2
        raise refusal(rules, "join.sender", "Nobody can join for somebody else")
    membership = state.membership(target)
    if membership == "ban":  # 5.3.3
        raise refusal(rules, "join.banned", "The user is banned")
    join_rule = state.join_rule()
    if join_rule == "public":  # 5.3.6
        return
    is_restricted = (join_rule == "restricted" and rules.restricted_joins) or (
        join_rule == "knock_restricted" and rules.knock_restricted_joins
    )
    is_invited = membership in {"invite", "join"}
    by_invitation = is_restricted or join_rule == "invite" or _is_knock(join_rule, state)
    if by_invitation and is_invited:  # 5.3.4, 5.3.5.1
        return
    if not is_restricted:  # 5.3.7
        raise refusal(rules, "join.otherwise", "The join rule does not let the user in")
    _check_authoriser(event, state)  # 5.3.5


def _first_member(state: RoomState) -> object:
    """Who may join right after the create event."""
    create = state.create
    return create.sender if state.rules.creator_is_sender else create.content.get("creator")


def _is_knock(join_rule: object, state: RoomState) -> bool:
    return join_rule == "knock" and state.rules.knocking


def _check_authoriser(event: Event, state: RoomState) -> None:
    authoriser = event.content.get("join_authorised_via_users_server")
    if (
        not isinstance(authoriser, str)
        or state.membership(authoriser) != "join"
        or state.level_of(authoriser) < state.level_for("invite")
    ):  # 5.3.5.2
        message = "The join is not authorised by a member who may invite"
        raise refusal(state.rules, "join.authoriser", message)


def _check_invite(event: Event, target: str, state: RoomState) -> None:
    rules = state.rules
    if "third_party_invite" in event.content:  # 5.4.1
        _check_third_party(event, target, state)
        return
    if state.membership(event.sender) != "join":  # 5.4.2
        raise refusal(rules, "invite.sender", "The sender is not in the room")
    if state.membership(target) in {"join", "ban"}:  # 5.4.3
        raise refusal(rules, "invite.target", "The user is in the room or banned")
    if state.level_of(event.sender) < state.level_for("invite"):  # 5.4.4, 5.4.5
        raise refusal(rules, "invite.otherwise", "The sender may not invite")


def _check_third_party(event: Event, target: str, state: RoomState) -> None:
    rules = state.rules
    if state.membership(target) == "ban":  # 5.4.1.1
        raise refusal(rules, "third_party.banned", "The user is banned")
    invite = event.content["third_party_invite"]
    if not isinstance(invite, dict) or "signed" not in invite:  # 5.4.1.2
        raise refusal(rules, "third_party.signed", "third_party_invite has no signed")
    signed = invite["signed"]
    if not isinstance(signed, dict) or not {"mxid", "token"} <= signed.keys():  # 5.4.1.3
        raise refusal(rules, "third_party.mxid_token", "signed has no mxid and token")
    if signed["mxid"] != target:  # 5.4.1.4
        raise refusal(rules, "third_party.mxid", "signed is for another user")
    token = signed["token"]
    invitation = (
        state.lookup(("m.room.third_party_invite", token)) if isinstance(token, str) else None
    )
    if invitation is None:  # 5.4.1.5
        raise refusal(rules, "third_party.event", "There is no such third-party invite")
    if invitation.sender != event.sender:  # 5.4.1.6
        raise refusal(rules, "third_party.sender", "The third-party invite is of another sender")
    check_third_party_signature(signed, invitation, rules)  # 5.4.1.7, 5.4.1.8


def _check_leave(event: Event, target: str, state: RoomState) -> None:
    rules = state.rules
    if event.sender == target:  # 5.5.1
        may_leave = {"invite", "join", "knock"} if rules.knocking else {"invite", "join"}
        if state.membership(target) not in may_leave:
            raise refusal(rules, "leave.self", "The user is not in the room")
        return
    if state.membership(event.sender) != "join":  # 5.5.2
        raise refusal(rules, "leave.sender", "The sender is not in the room")
    level = state.level_of(event.sender)
    if state.membership(target) == "ban" and level < state.level_for("ban"):  # 5.5.3
        raise refusal(rules, "leave.banned", "The sender may not lift a ban")
    if level < state.level_for("kick") or state.level_of(target) >= level:  # 5.5.4, 5.5.5
        raise refusal(rules, "leave.otherwise", "The sender may not kick the user")


def _check_ban(event: Event, target: str, state: RoomState) -> None:
    rules = state.rules
    if state.membership(event.sender) != "join":  # 5.6.1
        raise refusal(rules, "ban.sender", "The sender is not in the room")
    level = state.level_of(event.sender)
    if level < state.level_for("ban") or state.level_of(target) >= level:  # 5.6.2, 5.6.3
        raise refusal(rules, "ban.otherwise", "The sender may not ban the user")


def _check_knock(event: Event, target: str, state: RoomState) -> None:
    rules, join_rule = state.rules, state.join_rule()
    is_open = join_rule == "knock" or (
        join_rule == "knock_restricted" and rules.knock_restricted_joins
    )
    if not is_open:  # 5.7.1
        raise refusal(rules, "knock.join_rule", "The join rule does not allow knocking")
    if event.sender != target:  # 5.7.2
        raise refusal(rules, "knock.sender", "Nobody can knock for somebody else")
    if state.membership(target) in {"ban", "invite", "join"}:  # 5.7.3, 5.7.4
        raise refusal(rules, "knock.otherwise", "The user is banned, invited or in the room")
