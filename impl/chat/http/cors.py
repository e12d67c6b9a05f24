"""What lets web pages of any origin speak to us. Spec: client-server-api/#web-browser-clients"""

HEADERS = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS"),
    ("Access-Control-Allow-Headers", "X-Requested-With, Content-Type, Authorization"),
)

# Spoken by servers and monitors; no page has any business there.
_NOT_FOR_PAGES = ("/_matrix/federation/", "/_matrix/key/", "/_synapse/metrics")


def headers(path: str) -> tuple[tuple[str, str], ...]:
    """The headers that every answer on `path` carries."""
    return () if path.startswith(_NOT_FOR_PAGES) else HEADERS
