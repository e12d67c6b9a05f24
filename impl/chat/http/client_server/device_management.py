"""Devices."""

from chat_api.client_server import device_management as api
from chat_api.client_server.device_management import (
    DeleteDeviceRequest,
    DeleteDevicesRequest,
    GetDeviceRequest,
    GetDevicesRequest,
    GetDevicesResponse,
    UpdateDeviceRequest,
)
from chat_api.common.schemas import Empty

from chat.http.context import Context
from chat.services.accounts import account
from chat.storage.devices import Device


def get_devices(ctx: Context, _request: GetDevicesRequest, /) -> GetDevicesResponse:
    """GET /devices"""
    found = account.list_devices(ctx.server, ctx.user.user_id)
    return GetDevicesResponse(devices=[_shown(device) for device in found])


def get_device(ctx: Context, request: GetDeviceRequest, /) -> api.Device:
    """GET /devices/{deviceId}"""
    return _shown(account.get_device(ctx.server, ctx.user.user_id, request.device_id))


def _shown(device: Device) -> api.Device:
    return api.Device(
        device_id=device.device_id,
        display_name=device.display_name,
        last_seen_ip=device.last_seen_ip,
        last_seen_ts=device.last_seen_ts,
    )


def update_device(ctx: Context, request: UpdateDeviceRequest, /) -> Empty:
    """PUT /devices/{deviceId}"""
    name = request.body.display_name
    account.rename_device(ctx.server, ctx.user.user_id, request.device_id, name)
    return Empty()


def delete_device(ctx: Context, request: DeleteDeviceRequest, /) -> Empty:
    """DELETE /devices/{deviceId}"""
    operation = f"DELETE /devices/{request.device_id}"
    completed = account.confirm_password(ctx.server, ctx.user, operation, request.body.auth, {})
    account.delete_devices(ctx.server, ctx.user, [request.device_id], completed)
    return Empty()


def delete_devices(ctx: Context, request: DeleteDevicesRequest, /) -> Empty:
    """POST /delete_devices"""
    wanted = {"devices": list(request.body.devices)}
    completed = account.confirm_password(
        ctx.server, ctx.user, "POST /delete_devices", request.body.auth, wanted
    )
    account.delete_devices(ctx.server, ctx.user, request.body.devices, completed)
    return Empty()
