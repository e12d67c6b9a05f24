"""Make a signing key: `generate_signing_key [-o FILE]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from chat.app.start import new_signing_key, write_private


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a fresh Ed25519 key in the form of `signing_key_path`; the exit status."""
    parser = argparse.ArgumentParser(prog="generate_signing_key", description=__doc__)
    parser.add_argument(
        "-o",
        "--output-file",
        type=Path,
        metavar="FILE",
        help="where to write it, with permissions for the owner only; standard output if absent",
    )
    path = parser.parse_args(arguments).output_file
    line = new_signing_key() + "\n"
    if path is None:
        sys.stdout.write(line)
        return 0
    try:
        write_private(path, line)
    except OSError as error:
        print(f"error: cannot write {path}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
