"""Capabilities."""

from chat_api.client_server.capabilities import GetCapabilitiesRequest, GetCapabilitiesResponse

from chat.http.context import Context
from chat.services.rooms.create import OFFERED_VERSIONS


def get_capabilities(ctx: Context, _request: GetCapabilitiesRequest, /) -> GetCapabilitiesResponse:
    """GET /capabilities"""
    config = ctx.server.config
    return GetCapabilitiesResponse(
        capabilities={
            "m.change_password": {"enabled": config.password_config.enabled},
            "m.room_versions": {
                "default": config.default_room_version,
                "available": dict.fromkeys(OFFERED_VERSIONS, "stable"),
            },
            "m.set_displayname": {"enabled": config.enable_set_displayname},
            "m.set_avatar_url": {"enabled": config.enable_set_avatar_url},
            "m.3pid_changes": {"enabled": False},
            "m.get_login_token": {"enabled": False},
            "m.profile_fields": {"enabled": True},
        }
    )
