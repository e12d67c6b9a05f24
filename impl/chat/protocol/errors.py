"""Every refusal of the server, as one tree of exceptions.

    ChatError                          errcode           status
    ├── InvalidParam                   M_INVALID_PARAM      400
    │   └── InvalidIdentifier          M_INVALID_PARAM      400
    ├── MissingParam                   M_MISSING_PARAM      400
    ├── NotJson                        M_NOT_JSON           400
    ├── BadJson                        M_BAD_JSON           400
    │   └── InvalidEvent               M_BAD_JSON           400
    ├── InvalidUsername                M_INVALID_USERNAME   400
    ├── KeyTooLarge                    M_KEY_TOO_LARGE      400
    ├── ProfileTooLarge                M_PROFILE_TOO_LARGE  400
    ├── UserInUse                      M_USER_IN_USE        400
    ├── Exclusive                      M_EXCLUSIVE          400
    ├── RoomInUse                      M_ROOM_IN_USE        400
    ├── InvalidRoomState               M_INVALID_ROOM_STATE 400
    ├── WeakPassword                   M_WEAK_PASSWORD      400
    ├── UnsupportedRoomVersion         M_UNSUPPORTED_ROOM_VERSION  400
    ├── IncompatibleRoomVersion        M_INCOMPATIBLE_ROOM_VERSION 400
    ├── BadAlias                       M_BAD_ALIAS          400
    ├── DuplicateAnnotation            M_DUPLICATE_ANNOTATION 400
    ├── Unknown                        M_UNKNOWN            400
    │   ├── Unreachable                M_UNKNOWN            502
    │   └── MaxDelayExceeded           M_UNKNOWN            400   .max_delay_ms
    ├── MissingToken                   M_MISSING_TOKEN      401
    ├── UnknownToken                   M_UNKNOWN_TOKEN      401
    ├── Unauthorized                   M_UNAUTHORIZED       401
    ├── InteractiveAuthRequired        none, or the refusal's       401
    ├── Forbidden                      M_FORBIDDEN          403
    │   ├── AuthRefused                M_FORBIDDEN          403   .rule
    │   └── SignatureInvalid           M_FORBIDDEN          403
    ├── BadState                       M_BAD_STATE          403
    ├── InviteBlocked                  M_INVITE_BLOCKED     403
    ├── UserDeactivated                M_USER_DEACTIVATED   403
    ├── GuestAccessForbidden           M_GUEST_ACCESS_FORBIDDEN 403
    ├── NotFound                       M_NOT_FOUND          404
    ├── Unrecognized                   M_UNRECOGNIZED       404
    ├── MethodNotAllowed               M_UNRECOGNIZED       405
    ├── Conflict                       M_UNKNOWN            409
    │   └── AliasInUse                 M_UNKNOWN            409
    ├── TooLarge                       M_TOO_LARGE          413
    │   └── EventTooLarge              M_TOO_LARGE          413
    ├── LimitExceeded                  M_LIMIT_EXCEEDED     429   .retry_after_ms
    ├── InternalError                  M_UNKNOWN            500
    └── Unavailable                    M_UNKNOWN            503

`errcode` and `status` belong to the class; the sentence is given where it is raised. Only
`chat.http.errors` turns one into a response. Spec: client-server-api/#standard-error-response
"""

from typing import Any, ClassVar


class ChatError(Exception):
    """A refusal that has a Matrix error code and an HTTP status; `message` is a sentence."""

    errcode: ClassVar[str] = "M_UNKNOWN"
    status: ClassVar[int] = 400

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    def extra(self) -> dict[str, Any]:
        """Fields of the error response beside `errcode` and `error`."""
        return {}

    def body(self) -> dict[str, Any]:
        """The whole error response."""
        return {"errcode": self.errcode, "error": self.message, **self.extra()}


class InvalidParam(ChatError):
    """A parameter or field has a value that is not allowed."""

    errcode = "M_INVALID_PARAM"


class InvalidIdentifier(InvalidParam):
    """A string is not a user, room, event, alias, server or media identifier."""


class MissingParam(ChatError):
    """A required parameter or field is absent."""

    errcode = "M_MISSING_PARAM"


class NotJson(ChatError):
    """The bytes are not JSON."""

    errcode = "M_NOT_JSON"


class BadJson(ChatError):
    """The JSON is not of the shape required, or not allowed in canonical JSON."""

    errcode = "M_BAD_JSON"


class InvalidEvent(BadJson):
    """An event does not have the format of its room version."""


class InvalidUsername(ChatError):
    """A wanted user name is not allowed."""

    errcode = "M_INVALID_USERNAME"


class KeyTooLarge(ChatError):
    """The name of a profile field is too long."""

    errcode = "M_KEY_TOO_LARGE"


class ProfileTooLarge(ChatError):
    """A profile would become too large."""

    errcode = "M_PROFILE_TOO_LARGE"


class UserInUse(ChatError):
    """A wanted user name is taken."""

    errcode = "M_USER_IN_USE"


class Exclusive(ChatError):
    """A name lies in the exclusive namespace of an application service."""

    errcode = "M_EXCLUSIVE"


class RoomInUse(ChatError):
    """A wanted room alias is taken."""

    errcode = "M_ROOM_IN_USE"


class InvalidRoomState(ChatError):
    """The initial state asked for contradicts itself or the rules."""

    errcode = "M_INVALID_ROOM_STATE"


class WeakPassword(ChatError):
    """A password is too weak."""

    errcode = "M_WEAK_PASSWORD"


class UnsupportedRoomVersion(ChatError):
    """This server does not know the room version."""

    errcode = "M_UNSUPPORTED_ROOM_VERSION"


class IncompatibleRoomVersion(ChatError):
    """The room's version is none that the other server offered; `room_version` names it."""

    errcode = "M_INCOMPATIBLE_ROOM_VERSION"

    def __init__(self, message: str, room_version: str) -> None:
        super().__init__(message)
        self.room_version = room_version

    def extra(self) -> dict[str, Any]:
        """The `room_version` of the room."""
        return {"room_version": self.room_version}


class Unknown(ChatError):
    """A refusal for which the spec has no better code."""


class Unreachable(Unknown):
    """Another server that is needed for this cannot be reached."""

    status = 502


class DuplicateAnnotation(ChatError):
    """The sender has annotated the event in the same way before."""

    errcode = "M_DUPLICATE_ANNOTATION"


class BadAlias(ChatError):
    """An alias does not name the room that it should."""

    errcode = "M_BAD_ALIAS"


class BadState(ChatError):
    """A user's membership is none that this could change."""

    errcode = "M_BAD_STATE"
    status = 403


class InviteBlocked(ChatError):
    """The invited user accepts no invites."""

    errcode = "M_INVITE_BLOCKED"
    status = 403


class MaxDelayExceeded(Unknown):
    """An event should be kept back for longer than `max_delay_ms`. Spec: MSC4140, early form."""

    def __init__(self, message: str, max_delay_ms: int) -> None:
        super().__init__(message)
        self.max_delay_ms = max_delay_ms

    def extra(self) -> dict[str, Any]:
        """What clients read to ask for less."""
        return {
            "org.matrix.msc4140.errcode": "M_MAX_DELAY_EXCEEDED",
            "org.matrix.msc4140.max_delay": self.max_delay_ms,
        }


class Conflict(ChatError):
    """What is asked for contradicts what has become of the thing meanwhile."""

    status = 409


class AliasInUse(Conflict):
    """A wanted alias names a room already."""


class MissingToken(ChatError):
    """The request carries no access token."""

    errcode = "M_MISSING_TOKEN"
    status = 401


class UnknownToken(ChatError):
    """The access token is not known; after a `soft_logout` the device still exists."""

    errcode = "M_UNKNOWN_TOKEN"
    status = 401

    def __init__(self, message: str = "Unknown access token", *, soft_logout: bool = False) -> None:
        super().__init__(message)
        self.soft_logout = soft_logout

    def extra(self) -> dict[str, Any]:
        """`soft_logout`, which clients read to keep or drop their keys."""
        return {"soft_logout": self.soft_logout}


class Unauthorized(ChatError):
    """The request is not authenticated as it must be."""

    errcode = "M_UNAUTHORIZED"
    status = 401


class InteractiveAuthRequired(ChatError):
    """Stages of user-interactive authentication are missing, or the last one was refused.

    Spec: client-server-api/#user-interactive-api-in-the-rest-api
    """

    status = 401

    def __init__(
        self,
        *,
        session: str,
        flows: list[list[str]],
        completed: list[str],
        params: dict[str, Any] | None = None,
        refusal: ChatError | None = None,
    ) -> None:
        super().__init__("Further authentication is required")
        self.session = session
        self.flows = flows
        self.completed = completed
        self.params = params or {}
        self.refusal = refusal

    def body(self) -> dict[str, Any]:
        """The state of the session, and why its last stage was refused, if it was."""
        state: dict[str, Any] = {
            "session": self.session,
            "flows": [{"stages": stages} for stages in self.flows],
            "params": self.params,
        }
        if self.completed:
            state["completed"] = self.completed
        if self.refusal is not None:
            state |= {"errcode": self.refusal.errcode, "error": self.refusal.message}
        return state


class Forbidden(ChatError):
    """The caller may not do this."""

    errcode = "M_FORBIDDEN"
    status = 403


class AuthRefused(Forbidden):
    """The authorisation rules refuse an event; `rule` is the number in its version's list."""

    def __init__(self, message: str, rule: str) -> None:
        super().__init__(message)
        self.rule = rule


class SignatureInvalid(Forbidden):
    """A signature is missing, malformed or wrong."""


class UserDeactivated(ChatError):
    """The account has been deactivated."""

    errcode = "M_USER_DEACTIVATED"
    status = 403


class GuestAccessForbidden(ChatError):
    """Guests may not do this."""

    errcode = "M_GUEST_ACCESS_FORBIDDEN"
    status = 403


class NotFound(ChatError):
    """What the request names does not exist, or the caller may not know of it."""

    errcode = "M_NOT_FOUND"
    status = 404


class Unrecognized(ChatError):
    """No such endpoint."""

    errcode = "M_UNRECOGNIZED"
    status = 404


class MethodNotAllowed(Unrecognized):
    """The endpoint exists, but not with this method."""

    status = 405


class TooLarge(ChatError):
    """A body or field is larger than allowed."""

    errcode = "M_TOO_LARGE"
    status = 413


class EventTooLarge(TooLarge):
    """An event or one of its fields is larger than the spec allows."""


class LimitExceeded(ChatError):
    """Too many requests; try again after `retry_after_ms` milliseconds."""

    errcode = "M_LIMIT_EXCEEDED"
    status = 429

    def __init__(self, message: str = "Too many requests", *, retry_after_ms: int) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms

    def extra(self) -> dict[str, Any]:
        """`retry_after_ms`, in milliseconds."""
        return {"retry_after_ms": self.retry_after_ms}


class InternalError(ChatError):
    """The server failed; what it was stands in the log."""

    status = 500


class Unavailable(ChatError):
    """The server cannot do this now; try again later."""

    status = 503
