"""Register a user at a running server: `register_new_user -c homeserver.yaml [-u NAME] [URL]`.

It proves to know registration_shared_secret, so it works while registration is closed. Also
installed as `register_new_matrix_user`.
"""

import argparse
import getpass
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chat.app.commands.passwords import NoPasswordError, read_password
from chat.config.load import ConfigError, load
from chat.config.model import Config
from chat.services.accounts.login import DeviceWish
from chat.services.accounts.register import NewAccount, registration_mac

REGISTER_PATH = "/_synapse/admin/v1/register"
DEFAULT_URL = "http://localhost:8008"
TIMEOUT_S = 60
EVERY_INTERFACE = {"::": "[::1]", "0.0.0.0": "127.0.0.1"}  # noqa: S104  # where to reach it


class RegistrationError(Exception):
    """The user is not registered; the text tells why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        config = load([options.config], os.environ).config if options.config else None
        secret = _secret(options, config)
        url = (options.server_url or _url_of(config)).rstrip("/")
        account = _account(options)
        user_id = register(url, secret, account, exists_ok=options.exists_ok)
    except (ConfigError, NoPasswordError, RegistrationError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"Success! {user_id}" if user_id else f"{account.username} exists already.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="register_new_user", description=__doc__)
    parser.add_argument("-u", "--user", help="name of the new user; asked for if absent")
    parser.add_argument("--exists-ok", action="store_true", help="succeed if the name is taken")
    password = parser.add_mutually_exclusive_group()
    password.add_argument("-p", "--password", help="asked for, or read from stdin, if absent")
    password.add_argument("--password-file", type=Path, help="file that holds the password")
    parser.add_argument("-t", "--user_type", help="a kind of account, such as bot or support")
    role = parser.add_mutually_exclusive_group()
    role.add_argument("-a", "--admin", action="store_true", default=None, help="an administrator")
    role.add_argument("--no-admin", action="store_false", dest="admin", help="not an administrator")
    secret = parser.add_mutually_exclusive_group(required=True)
    secret.add_argument("-c", "--config", type=Path, metavar="FILE", help="homeserver.yaml")
    secret.add_argument("-k", "--shared-secret", help="registration_shared_secret itself")
    parser.add_argument(
        "server_url",
        nargs="?",
        help=f"where the server is; by the configuration, else {DEFAULT_URL}",
    )
    return parser


def _secret(options: argparse.Namespace, config: Config | None) -> str:
    secret: str | None = config.registration_shared_secret if config else options.shared_secret
    if not secret:
        raise RegistrationError("the configuration has no registration_shared_secret")
    return secret


def _url_of(config: Config | None) -> str:
    """The first listener for clients."""
    for listener in config.listeners if config else ():
        if "client" in listener.serves and listener.port is not None:
            address = listener.addresses[0]
            host = EVERY_INTERFACE.get(address, f"[{address}]" if ":" in address else address)
            return f"{'https' if listener.tls else 'http'}://{host}:{listener.port}"
    return DEFAULT_URL


def _account(options: argparse.Namespace) -> NewAccount:
    username = options.user or _ask_for_name()
    if options.password_file is not None:
        password = options.password_file.read_text(encoding="utf-8").rstrip("\r\n")
    else:
        password = options.password or read_password()
    is_admin = _ask_for_role() if options.admin is None else options.admin
    return NewAccount(
        username, password, DeviceWish(), is_admin=is_admin, user_type=options.user_type
    )


def _ask_for_name() -> str:
    default = getpass.getuser()
    return input(f"New user's name [{default}]: ").strip() or default


def _ask_for_role() -> bool:
    if not sys.stdin.isatty():
        return False
    return input("Make admin [no]: ").strip().lower() in ("y", "yes", "true")


def register(url: str, secret: str, account: NewAccount, *, exists_ok: bool) -> str | None:
    """Make the account at the server `url`; its user ID, None where it existed and may.

    Raises RegistrationError.
    """
    nonce = _call(urllib.request.Request(url + REGISTER_PATH))["nonce"]
    body = {
        "nonce": nonce,
        "username": account.username,
        "password": account.password,
        "admin": account.is_admin,
        "mac": registration_mac(secret, nonce, account),
    } | ({"user_type": account.user_type} if account.user_type else {})
    request = urllib.request.Request(
        url + REGISTER_PATH,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        return str(_call(request)["user_id"])
    except _RefusedError as refusal:
        if exists_ok and refusal.errcode == "M_USER_IN_USE":
            return None
        raise


class _RefusedError(RegistrationError):
    def __init__(self, errcode: str, sentence: str) -> None:
        super().__init__(f"the server refuses: {errcode}: {sentence}")
        self.errcode = errcode


def _call(request: urllib.request.Request) -> dict[str, Any]:
    if request.type not in ("http", "https"):
        raise RegistrationError(f"{request.full_url} is not an http or https address")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            body = json.load(answer)
    except urllib.error.HTTPError as error:
        raise _refusal(error) from error
    except ValueError as error:
        raise RegistrationError(f"{request.full_url} does not answer JSON") from error
    if not isinstance(body, dict):
        raise RegistrationError(f"{request.full_url} is not a homeserver")
    return body


def _refusal(error: urllib.error.HTTPError) -> RegistrationError:
    try:
        body = json.load(error)
        return _RefusedError(str(body["errcode"]), str(body["error"]))
    except (ValueError, KeyError, TypeError):
        return RegistrationError(f"the server answers with status {error.code}")


if __name__ == "__main__":
    sys.exit(main())
