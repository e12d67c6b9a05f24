"""A mock of the published API for client authors: each operation answers with its example.

    python mock_server.py [--port 8009]

Requests are checked against the description, credentials only for their presence; refusals have
Matrix's error form. Nothing is stored.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import uvicorn
import yaml
from connexion import AsyncApp
from connexion.exceptions import ProblemException
from connexion.lifecycle import ConnexionRequest, ConnexionResponse
from connexion.mock import MockResolver
from connexion.options import SwaggerUIOptions

DOCUMENT = Path(__file__).resolve().parent / "generated" / "openapi-3.0.3.yaml"
ANYBODY = f"{Path(__file__).stem}.anybody"  # connexion wants a name
ERRCODES = {
    400: "M_BAD_JSON",
    401: "M_MISSING_TOKEN",
    404: "M_UNRECOGNIZED",
    405: "M_UNRECOGNIZED",
    413: "M_TOO_LARGE",
}


def anybody(credential: str, **_more: Any) -> dict[str, str]:
    """Whoever comes with any credential is let in."""
    return {"sub": credential}


def refusal(_request: ConnexionRequest, error: Exception) -> ConnexionResponse:
    """An error of connexion's in Matrix's form."""
    assert isinstance(error, ProblemException)
    errcode = ERRCODES.get(error.status, "M_UNKNOWN")
    body = json.dumps({"errcode": errcode, "error": str(error.detail)})
    return ConnexionResponse(status_code=error.status, body=body, mimetype="application/json")


def application() -> AsyncApp:
    """The mock as an ASGI application."""
    document = yaml.load(DOCUMENT.read_text("utf-8"), yaml.CSafeLoader)
    for scheme in document["components"]["securitySchemes"].values():
        scheme["x-bearerInfoFunc" if scheme["type"] == "http" else "x-apikeyInfoFunc"] = ANYBODY
    app = AsyncApp(__name__, swagger_ui_options=SwaggerUIOptions(swagger_ui=False))
    app.add_api(document, resolver=MockResolver(mock_all=True))
    app.add_error_handler(ProblemException, refusal)
    return app


def main() -> None:
    """Serve the mock on this machine only."""
    parser = argparse.ArgumentParser(description="Serve a mock of the published API.")
    parser.add_argument("--port", type=int, default=8009)
    uvicorn.run(application(), host="127.0.0.1", port=parser.parse_args().port)


if __name__ == "__main__":
    main()
