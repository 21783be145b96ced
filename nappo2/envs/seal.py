"""Whether data was written by this user: for what is read by a parser that no stranger should feed."""

import hmac
import os
from functools import cache
from pathlib import Path

SIZE = 32  # bytes of the key


def seal_of(data: bytes) -> str:
    """A text that only who has this user's key can make of ``data``."""
    return hmac.new(key(), data, "sha256").hexdigest()


def is_sealed(data: bytes, seal: str) -> bool:
    """Whether ``seal`` is that of ``data``."""
    return hmac.compare_digest(seal_of(data), seal)


@cache
def key() -> bytes:
    """The key in the user's configuration, which is made when it is first needed.

    Where it cannot be kept it is of this process alone, and nobody else's seals are known.
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
        found = path.read_bytes()
    except OSError:
        found = b""
    return found if len(found) == SIZE else os.urandom(SIZE)
