"""A first homeserver.yaml: short, commented, with fresh secrets."""

import json
import secrets

_TEMPLATE = """\
# Configuration of the Matrix homeserver {server_name}.
# Every key is explained in docs/config.md; names and units are Synapse's.
# A relative path is relative to this file.

# The part after the colon in user and room names. It can never change.
server_name: {server_name_yaml}

# Where clients reach this server from outside.
public_baseurl: {public_baseurl}

pid_file: homeserver.pid

# Where to listen. Behind a proxy that speaks TLS: tls: false, x_forwarded: true.
listeners:
  - port: 8008
    bind_addresses: ["127.0.0.1"]
    tls: false
    type: http
    x_forwarded: false
    resources:
      - names: [client, federation]

# SQLite serves with one process. For more, PostgreSQL:
#   name: psycopg2
#   args: {{user: chat, password: secret, dbname: chat, host: localhost, cp_min: 5, cp_max: 10}}
database:
  name: sqlite3
  args:
    database: homeserver.db

# Uploaded files, and the largest that is accepted.
media_store_path: media_store
max_upload_size: 50M

log_level: INFO

# Whoever knows this may make accounts, administrators included: register_new_user.
registration_shared_secret: {shared_secret}

# Let anybody make an account, and confirm that no token, captcha or e-mail is asked for.
enable_registration: false
#enable_registration_without_verification: true

# The key that signs events is made on first start. Losing it means losing the server's name.
signing_key_path: {signing_key_path}

macaroon_secret_key: {macaroon_secret}
form_secret: {form_secret}
report_stats: {report_stats}
"""


def generate(server_name: str, *, report_stats: bool) -> str:
    """The text of a configuration file for `server_name`, a valid server name."""
    local = server_name.partition(":")[0] == "localhost"
    public_baseurl = "http://localhost:8008/" if local else f"https://{server_name}/"
    return _TEMPLATE.format(
        server_name=server_name,
        server_name_yaml=json.dumps(server_name),
        public_baseurl=json.dumps(public_baseurl),
        signing_key_path=json.dumps(f"{server_name}.signing.key"),
        shared_secret=json.dumps(secrets.token_urlsafe(32)),
        macaroon_secret=json.dumps(secrets.token_urlsafe(32)),
        form_secret=json.dumps(secrets.token_urlsafe(32)),
        report_stats=json.dumps(report_stats),
    )
