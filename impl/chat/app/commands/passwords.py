"""How commands get a password: from an option, from standard input, or by asking twice."""

import getpass
import sys


class NoPasswordError(Exception):
    """There is no usable password; the text tells why."""


def read_password() -> str:
    """Ask at the terminal, twice, or take the first line of standard input.

    Raises NoPasswordError.
    """
    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = getpass.getpass("Password: ")
        if password != getpass.getpass("Confirm password: "):
            raise NoPasswordError("the passwords differ")
    if not password:
        raise NoPasswordError("the password is empty")
    return password
