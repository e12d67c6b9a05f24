"""Hashing and checking passwords, outside the event loop's thread."""

import base64
import hashlib
import os
import unicodedata

import bcrypt
from gevent.threadpool import ThreadPool

BCRYPT_LIMIT_BYTES = 72

# bcrypt takes tens of milliseconds and releases the interpreter lock: as many threads as cores.
_pool = ThreadPool(os.cpu_count() or 1)


def _material(password: str, pepper: str) -> bytes:
    """What bcrypt is given: it reads 72 bytes at most, so longer passwords are digested first."""
    whole = (
        unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass") + pepper.encode()
    )
    if len(whole) <= BCRYPT_LIMIT_BYTES and b"\0" not in whole:
        return whole
    return base64.b64encode(hashlib.sha256(whole).digest())


def hash_password(password: str, pepper: str, rounds: int) -> str:
    """The bcrypt hash of a password; takes 2^`rounds` steps in the calling thread."""
    return bcrypt.hashpw(_material(password, pepper), bcrypt.gensalt(rounds)).decode("ascii")


def hash_in_pool(password: str, pepper: str, rounds: int) -> str:
    """`hash_password` in a thread of its own; other requests go on."""
    result: str = _pool.apply(hash_password, (password, pepper, rounds))
    return result


def matches(password: str, pepper: str, password_hash: str | None, rounds: int) -> bool:
    """Whether the password is the hash's; as slow for an absent hash as for a wrong password.

    `rounds` are those of new hashes: they set how long an absent one takes.
    """
    if password_hash is None:
        _pool.apply(bcrypt.hashpw, (_material(password, pepper), bcrypt.gensalt(rounds)))
        return False
    material = _material(password, pepper)
    same: bool = _pool.apply(bcrypt.checkpw, (material, password_hash.encode("ascii")))
    return same
