"""Messages from device to device."""

from chat_api.client_server.to_device import SendToDeviceRequest
from chat_api.common.schemas import Empty

from chat.http.context import Context
from chat.services.e2e import to_device


def send_to_device(ctx: Context, request: SendToDeviceRequest, /) -> Empty:
    """PUT /sendToDevice/{eventType}/{txnId}"""
    to_device.send(ctx.server, ctx.user, request.event_type, request.body.messages, ctx.path)
    return Empty()
