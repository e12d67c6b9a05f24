"""`python -m chat.app.homeserver`: write a configuration, or serve one.

Serving means becoming gunicorn with our settings: this process is replaced, so its id is the
server's, and signals reach it. `python -m chat.app.homeserver COMMAND --help` tells about the
commands, which look after a server's data.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from chat.app.start import StartError, ensure_files, write_private
from chat.config.generate import generate
from chat.config.kinds import Findings, Place
from chat.config.load import CONFIG_VARIABLE, ConfigError, load
from chat.config.model import SERVER_NAME

GUNICORN_SETTINGS = Path(__file__).with_name("gunicorn_conf.py")

# Modules of chat.app.commands with a `main(arguments)`, by the word that calls them; imported when
# called, because serving needs none of them.
COMMANDS = {
    "backup": "backup",
    "check": "check",
    "migrate": "migrate",
    "move-database": "move_database",
    "restore": "restore",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in COMMANDS:
        module = importlib.import_module(f"chat.app.commands.{COMMANDS[arguments[0]]}")
        return int(module.main(arguments[1:]))
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.generate_config:
        return _generate_config(parser, options)
    if options.generate_keys:
        return _generate_keys(options.config_path)
    return _serve(options.config_path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chat.app.homeserver",
        description=__doc__,
        epilog=f"Commands: {', '.join(sorted(COMMANDS))}.",
    )
    parser.add_argument(
        "-c",
        "--config-path",
        action="append",
        type=Path,
        required=True,
        metavar="FILE",
        help="configuration; given several times, later files override earlier ones",
    )
    parser.add_argument("-H", "--server-name", help="for --generate-config: the server's name")
    parser.add_argument(
        "--report-stats",
        choices=("yes", "no"),
        help="for --generate-config; nothing is ever reported",
    )
    parser.add_argument(
        "--generate-config",
        action="store_true",
        help="write a configuration file; never overwrites",
    )
    parser.add_argument(
        "--generate-keys",
        action="store_true",
        help="write the signing key if there is none, and end",
    )
    return parser


def _generate_config(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if not options.server_name or not options.report_stats:
        parser.error("--generate-config needs --server-name and --report-stats=yes|no")
    findings = Findings()
    SERVER_NAME.read(options.server_name, Place("--server-name", Path(), findings))
    if findings.errors:
        parser.error(findings.errors[0])
    path: Path = options.config_path[0]
    text = generate(options.server_name, report_stats=options.report_stats == "yes")
    try:
        _write_new(path, text)
    except FileExistsError:
        print(f"{path} exists and is left as it is.")
    except OSError as error:
        print(f"error: cannot write {path}: {error.strerror}", file=sys.stderr)
        return 1
    else:
        print(f"{path} is written. Look through it, then serve it with")
        print(f"  python -m chat.app.homeserver --config-path {path}")
    return _generate_keys(options.config_path)


def _write_new(path: Path, text: str) -> None:

    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, text)


def _generate_keys(paths: Sequence[Path]) -> int:

    try:
        ensure_files(load(paths, os.environ).config)
    except ConfigError as error:
        return _tell(error.errors)
    except StartError as error:
        return _tell([str(error)])
    return 0


def _tell(sentences: Sequence[str]) -> int:
    for sentence in sentences:
        print(f"error: {sentence}", file=sys.stderr)
    return 1


def _serve(paths: Sequence[Path]) -> int:
    command = [sys.executable, "-m", "gunicorn", "-c", str(GUNICORN_SETTINGS)]
    environment = os.environ | {CONFIG_VARIABLE: os.pathsep.join(map(str, paths))}
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)  # noqa: S606  # never returns


if __name__ == "__main__":
    sys.exit(main())
