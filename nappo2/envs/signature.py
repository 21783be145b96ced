"""Signs data with a key of this user, for files that are read by a parser no stranger should feed."""

import hmac
import os
from functools import cache
from pathlib import Path

SIZE = 32  # bytes of the key


def sign(data: bytes) -> str:
    """The HMAC-SHA256 of ``data`` under this user's key, in hexadecimal."""
    return hmac.new(key(), data, "sha256").hexdigest()


def is_signed(data: bytes, signature: str) -> bool:
    """Tests whether ``signature`` is that of ``data`` under this user's key."""
    return hmac.compare_digest(sign(data), signature)


@cache
def key() -> bytes:
    """The key in the user's configuration, which is made when it is first needed.

    Where it cannot be stored, each process has a key of its own and refuses all other signatures.
    """
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "nappo2"
    path, unfinished = folder / "key", folder / f".key-{os.getpid()}"
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.write(os.urandom(SIZE))
            try:
                os.link(unfinished, path)  # fails where another process was faster
            except FileExistsError:
                pass
            finally:
                unfinished.unlink()
        data = path.read_bytes()
    except OSError:
        data = b""
    return data if len(data) == SIZE else os.urandom(SIZE)
