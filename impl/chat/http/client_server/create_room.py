"""Room creation."""

from chat_api.client_server.create_room import CreateRoomBody, CreateRoomRequest, CreateRoomResponse

from chat.http.context import Context
from chat.protocol.errors import InvalidParam
from chat.services.rooms import create
from chat.services.rooms.create import Wish


def create_room(ctx: Context, request: CreateRoomRequest, /) -> CreateRoomResponse:
    """POST /createRoom"""
    if request.body.invite_3pid:
        raise InvalidParam("Invites by address are not supported")
    return CreateRoomResponse(room_id=create.create_room(ctx.server, ctx.user, _wish(request.body)))


def _wish(body: CreateRoomBody) -> Wish:
    return Wish(
        preset=body.preset,
        published=body.visibility == "public",
        room_version=body.room_version,
        creation_content=body.creation_content or {},
        power_levels=body.power_level_content_override or {},
        initial_state=[
            ((entry.type, entry.state_key), entry.content) for entry in body.initial_state or ()
        ],
        name=body.name,
        topic=body.topic,
        alias_name=body.room_alias_name,
        invited=body.invite or (),
        is_direct=bool(body.is_direct),
    )
