"""Room upgrades."""

from chat_api.client_server.room_upgrades import UpgradeRoomRequest, UpgradeRoomResponse

from chat.http.context import Context
from chat.services.rooms.upgrade import upgrade


def upgrade_room(ctx: Context, request: UpgradeRoomRequest, /) -> UpgradeRoomResponse:
    """POST /rooms/{roomId}/upgrade"""
    body = request.body
    successor = upgrade(
        ctx.server, ctx.user, request.room_id, body.new_version, body.additional_creators or ()
    )
    return UpgradeRoomResponse(replacement_room=successor)
