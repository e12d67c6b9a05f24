"""Hash a password as the server does: `hash_password [-p PASSWORD] [-c homeserver.yaml]`.

What it prints can be put into `users.password_hash`. The configuration matters: its pepper goes
into the hash.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from chat.app.commands.passwords import NoPasswordError, read_password
from chat.config.load import ConfigError, load
from chat.config.model import Config
from chat.services.accounts import passwords

DEFAULT_ROUNDS = 12


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the hash; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        config = load([options.config], os.environ).config if options.config else None
        password = options.password or read_password()
    except (ConfigError, NoPasswordError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    pepper = config.password_config.pepper if config else ""
    print(passwords.hash_password(password, pepper, _rounds(options, config)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hash_password", description=__doc__)
    parser.add_argument("-p", "--password", help="asked for, or read from stdin, if absent")
    parser.add_argument(
        "-c", "--config", type=Path, metavar="FILE", help="homeserver.yaml: bcrypt_rounds, pepper"
    )
    parser.add_argument(
        "-r", "--rounds", type=int, choices=range(4, 32), metavar="4…31", help="work per hash"
    )
    return parser


def _rounds(options: argparse.Namespace, config: Config | None) -> int:
    if options.rounds is not None:
        return int(options.rounds)
    return config.bcrypt_rounds if config else DEFAULT_ROUNDS


if __name__ == "__main__":
    sys.exit(main())
