"""Who makes a request."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """The user and device that an access token acts for."""

    user_id: str
    device_id: str
    is_guest: bool = False
    is_admin: bool = False
