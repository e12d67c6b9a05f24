"""Capabilities."""

from chat_api.client_server.capabilities import GetCapabilitiesRequest, GetCapabilitiesResponse

from chat.http.context import Context
from chat.services import delayed_events
from chat.services.accounts import profile
from chat.services.rooms.create import OFFERED_VERSIONS


def get_capabilities(ctx: Context, _request: GetCapabilitiesRequest, /) -> GetCapabilitiesResponse:
    """GET /capabilities"""
    config = ctx.server.config
    managed = profile.managed_fields(ctx.server, ctx.user)
    return GetCapabilitiesResponse(
        capabilities={
            "m.change_password": {"enabled": config.password_config.enabled},
            "m.room_versions": {
                "default": config.default_room_version,
                "available": dict.fromkeys(OFFERED_VERSIONS, "stable"),
            },
            "m.set_displayname": {"enabled": "displayname" not in managed},
            "m.set_avatar_url": {"enabled": "avatar_url" not in managed},
            "m.3pid_changes": {"enabled": False},
            "m.get_login_token": {"enabled": False},
            "org.matrix.msc4140.delayed_events": _delayed_events(ctx),
            "m.profile_fields": {"enabled": True} | ({"disallowed": managed} if managed else {}),
        }
    )


def _delayed_events(ctx: Context) -> dict[str, int]:
    """How long and how many events are kept back. Spec: MSC4140."""
    longest_ms = delayed_events.longest_delay_ms(ctx.server)
    if not longest_ms:
        return {"max_scheduled": 0}
    return {"max_delay_ms": longest_ms, "max_scheduled": delayed_events.MAX_SCHEDULED}
