"""What a client learns of a server before it logs in, and what it is then allowed."""

import re

import yaml

from conformance.client import World


def check_versions_are_listed(world: World) -> None:
    """The supported versions are listed for everybody, in the forms that releases have."""
    versions = world.stranger.get("/_matrix/client/versions").ok()["versions"]
    assert versions
    assert all(re.fullmatch(r"v\d+\.\d+|r0\.\d+\.\d+", version) for version in versions)


def check_versions_accept_a_token(world: World) -> None:
    """The supported versions are listed for a logged-in user too."""
    user = world.user()
    for_all = world.stranger.get("/_matrix/client/versions").ok()["versions"]
    assert user.get("/_matrix/client/versions").ok()["versions"] == for_all


def check_well_known_leads_to_the_server(world: World) -> None:
    """The discovery document of the domain names a base URL for the homeserver."""
    document = world.stranger.get("/.well-known/matrix/client").ok()
    assert document["m.homeserver"]["base_url"].startswith(("http://", "https://"))


def check_capabilities_need_a_token(world: World) -> None:
    """Capabilities are shown to logged-in users only."""
    world.stranger.get("/capabilities").refused(401, "M_MISSING_TOKEN")


def check_room_versions_are_offered(world: World) -> None:
    """Room versions 10, 11 and 12 are offered, and the default is among the stable ones."""
    versions = world.user().get("/capabilities").ok()["capabilities"]["m.room_versions"]
    assert {"10", "11", "12"} <= versions["available"].keys()
    assert versions["available"][versions["default"]] == "stable"


def check_password_capability(world: World) -> None:
    """Capabilities say whether the password can be changed."""
    capability = world.user().get("/capabilities").ok()["capabilities"]["m.change_password"]
    assert isinstance(capability["enabled"], bool)


def check_health(world: World) -> None:
    """The health check answers OK as plain text."""
    answer = world.stranger.get("/health")
    assert (answer.status, answer.content, answer.media_type) == (200, b"OK", "text/plain")


def check_the_api_is_published(world: World) -> None:
    """The server publishes its whole API as OpenAPI 3.1."""
    answer = world.stranger.get("/openapi.yaml")
    document = yaml.load(answer.content, yaml.CSafeLoader)
    assert document["openapi"].startswith("3.1")
    assert "/_matrix/client/v3/sync" in document["paths"]


def check_the_api_can_be_read(world: World) -> None:
    """The server shows its API to readers as a page that needs no scripts."""
    answer = world.stranger.get("/docs")
    assert (answer.status, answer.media_type) == (200, "text/html")
    assert b"/_matrix/client/v3/sync" in answer.content
    assert b"<script" not in answer.content


def check_metrics(world: World) -> None:
    """Metrics are given in the form of Prometheus, or the path is unknown."""
    answer = world.stranger.get("/_synapse/metrics")
    if answer.status == 404:
        answer.refused(404, "M_UNRECOGNIZED")
    else:
        assert (answer.status, answer.media_type) == (200, "text/plain")
        assert b"# TYPE" in answer.content
