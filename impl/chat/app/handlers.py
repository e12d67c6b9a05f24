"""Which module fills which operations: one line for each, read by people and by the type check.

What stands nowhere here, or is `unfilled` in its module, answers 404 M_UNRECOGNIZED.
`python -m chat.app.coverage` lists both.
"""

from chat_api.admin.routes import register as register_admin
from chat_api.client_server.routes import register as register_client_server
from chat_api.extra.routes import register as register_extra
from chat_api.federation.routes import register as register_federation
from chat_api.identity.routes import register as register_identity
from chat_api.media.routes import register as register_media

from chat.http.admin import (
    registration as admin_registration,
)
from chat.http.client_server import (
    account_data,
    banning,
    capabilities,
    create_room,
    device_management,
    directory,
    event_context,
    filter,  # noqa: A004  # the name of the topic
    inviting,
    joining,
    keys,
    kicking,
    knocking,
    leaving,
    list_joined_rooms,
    list_public_rooms,
    login,
    logout,
    message_pagination,
    mutual_rooms,
    notifications,
    old_sync,
    password_management,
    peeking_events,
    presence,
    profile,
    pushrules,
    read_markers,
    receipts,
    redaction,
    refresh,
    registration,
    relations,
    report_content,
    room_event_by_timestamp,
    room_initial_sync,
    room_send,
    room_state,
    room_summary,
    room_upgrades,
    rooms,
    search,
    space_hierarchy,
    sync,
    tags,
    threads_list,
    to_device,
    typing,
    users,
    versions,
    wellknown,
    whoami,
)
from chat.http.dispatch import Dispatcher
from chat.http.extra import (
    delayed_events,
    health,
    metrics,
    openapi,
    sliding_sync,
)
from chat.http.media import (
    authed_content_repo,
    content_repo,
)


def register_all(dispatcher: Dispatcher) -> None:
    """Hand every operation of every API that is served to `dispatcher`."""
    register_client_server(
        dispatcher,
        account_data=account_data,
        banning=banning,
        capabilities=capabilities,
        create_room=create_room,
        device_management=device_management,
        directory=directory,
        event_context=event_context,
        filter=filter,
        inviting=inviting,
        joining=joining,
        keys=keys,
        kicking=kicking,
        knocking=knocking,
        leaving=leaving,
        list_joined_rooms=list_joined_rooms,
        list_public_rooms=list_public_rooms,
        login=login,
        logout=logout,
        message_pagination=message_pagination,
        mutual_rooms=mutual_rooms,
        notifications=notifications,
        old_sync=old_sync,
        password_management=password_management,
        peeking_events=peeking_events,
        presence=presence,
        profile=profile,
        pushrules=pushrules,
        read_markers=read_markers,
        receipts=receipts,
        redaction=redaction,
        refresh=refresh,
        registration=registration,
        relations=relations,
        report_content=report_content,
        room_event_by_timestamp=room_event_by_timestamp,
        room_initial_sync=room_initial_sync,
        room_send=room_send,
        room_state=room_state,
        room_summary=room_summary,
        room_upgrades=room_upgrades,
        rooms=rooms,
        search=search,
        space_hierarchy=space_hierarchy,
        sync=sync,
        tags=tags,
        threads_list=threads_list,
        to_device=to_device,
        typing=typing,
        users=users,
        versions=versions,
        wellknown=wellknown,
        whoami=whoami,
    )
    register_media(
        dispatcher,
        authed_content_repo=authed_content_repo,
        content_repo=content_repo,
    )
    register_federation(
        dispatcher,
    )
    register_identity(
        dispatcher,
    )
    register_admin(
        dispatcher,
        registration=admin_registration,
    )
    register_extra(
        dispatcher,
        delayed_events=delayed_events,
        health=health,
        metrics=metrics,
        openapi=openapi,
        sliding_sync=sliding_sync,
    )
