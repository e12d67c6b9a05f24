"""Room creation."""

from chat.services.rooms.create import InitialState, RoomWish
from chat.services.rooms.create import create_room as create
from chat_api.client_server.create_room import CreateRoomBody, CreateRoomRequest, CreateRoomResponse

from chat.http.context import Context
from chat.protocol.errors import Unknown


def create_room(ctx: Context, request: CreateRoomRequest, /) -> CreateRoomResponse:
    """POST /createRoom"""
    if request.body.invite_3pid:
        raise Unknown("Invites by address are not supported")
    return CreateRoomResponse(room_id=create(ctx.server, ctx.user, _wish(request.body)))


def _wish(body: CreateRoomBody) -> RoomWish:
    return RoomWish(
        visibility=body.visibility or "private",
        preset=body.preset,
        room_version=body.room_version,
        alias_localpart=body.room_alias_name,
        name=body.name,
        topic=body.topic,
        invite=tuple(body.invite or ()),
        is_direct=bool(body.is_direct),
        creation_content=body.creation_content or {},
        initial_state=tuple(
            InitialState(event.type, event.state_key, event.content)
            for event in body.initial_state or ()
        ),
        power_level_override=body.power_level_content_override or {},
    )
