"""The published API: the OpenAPI document, and a page to read it."""

from functools import cache
from pathlib import Path

import chat_api
from chat_api.extra.openapi import GetDocsRequest, GetOpenapiRequest

from chat.http.context import Context
from chat.http.responses import RawResponse

GENERATED = Path(chat_api.__file__).parents[1]


@cache
def _text(name: str) -> bytes:
    return (GENERATED / name).read_bytes()


def get_openapi(_ctx: Context, _request: GetOpenapiRequest, /) -> RawResponse:
    """GET /openapi.yaml"""
    headers = (("Content-Type", "application/yaml; charset=utf-8"),)
    return RawResponse(200, headers, (_text("openapi.yaml"),))


def get_docs(_ctx: Context, _request: GetDocsRequest, /) -> RawResponse:
    """GET /docs"""
    headers = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    )
    return RawResponse(200, headers, (_text("docs.html"),))
