"""Where clients find the services of this server. Spec: client-server-api/#well-known-uris"""

from typing import Any

from chat.config.model import Config


def client_discovery(config: Config) -> dict[str, Any]:
    """The content of /.well-known/matrix/client."""
    found: dict[str, Any] = {"m.homeserver": {"base_url": config.public_baseurl.rstrip("/")}}
    if config.default_identity_server:
        found["m.identity_server"] = {"base_url": config.default_identity_server.rstrip("/")}
    return {**found, **config.extra_well_known_client_content}
