"""Encryption keys of devices."""

from chat_api.client_server.keys import (
    ClaimKeysRequest,
    ClaimKeysResponse,
    GetKeysChangesRequest,
    GetKeysChangesResponse,
    QueryKeysRequest,
    QueryKeysResponse,
    UploadKeysRequest,
    UploadKeysResponse,
)

from chat.http.context import Context
from chat.services.e2e import device_keys
from chat.services.sync.request import changed_lists


def upload_keys(ctx: Context, request: UploadKeysRequest, /) -> UploadKeysResponse:
    """POST /keys/upload"""
    body = request.body
    counts = device_keys.upload(
        ctx.server, ctx.user, body.device_keys, body.one_time_keys or {}, body.fallback_keys or {}
    )
    return UploadKeysResponse(one_time_key_counts=counts)


def query_keys(ctx: Context, request: QueryKeysRequest, /) -> QueryKeysResponse:
    """POST /keys/query"""
    found = device_keys.query(ctx.server, request.body.device_keys)
    return QueryKeysResponse(device_keys=found, failures={})


def claim_keys(ctx: Context, request: ClaimKeysRequest, /) -> ClaimKeysResponse:
    """POST /keys/claim"""
    claimed = device_keys.claim(ctx.server, request.body.one_time_keys)
    return ClaimKeysResponse(one_time_keys=claimed, failures={})


def get_keys_changes(ctx: Context, request: GetKeysChangesRequest, /) -> GetKeysChangesResponse:
    """GET /keys/changes"""
    lists = changed_lists(ctx.server, ctx.user, request.from_, request.to)
    return GetKeysChangesResponse(changed=list(lists.changed), left=list(lists.left))
