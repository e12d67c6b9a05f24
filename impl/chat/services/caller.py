"""Who makes a request."""

from dataclasses import dataclass

from chat.config.model import RateLimit


@dataclass(frozen=True, slots=True)
class Caller:
    """The user and device that an access token acts for."""

    user_id: str
    device_id: str
    is_guest: bool = False
    is_admin: bool = False
    exempt: bool = False  # from rate limits: by an administrator's word, or an application service
    message_limit: RateLimit | None = None  # instead of rc_message
