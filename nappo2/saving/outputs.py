"""Files at paths that people give: refused before any work where none can be written, and written whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FORMATS = {
    *(".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".pdf", ".eps"),
    *(".mp4", ".webm", ".mkv", ".mov", ".avi"),
}
"""Suffixes of pictures and films, which say to programs what is in a file."""


def check_output(path: str | Path, *suffixes: str) -> Path:
    """Refuses a path at which no file can be written, before the work whose result it is to hold.

    Args:
        path: of the file.
        *suffixes: of pictures or films that can be written, the usual one first; none for other files.

    Returns:
        The path.

    Raises:
        ValueError: if its folder is missing, no folder, or closed to us, if a folder has the path itself,
            or if it ends as another kind of picture or film does.
    """
    path = Path(path)
    if suffixes and path.suffix.lower() in FORMATS - {*suffixes}:
        raise ValueError(
            f"{path} would hold no {path.suffix}, as {' or '.join(suffixes)} is what is written; "
            f"{path.with_suffix(suffixes[0])} is a name for it"
        )
    if path.is_dir():
        raise ValueError(f"{path} is a folder; the path of an output is that of a file")
    if not path.parent.is_dir():
        wrong = "is no folder" if path.parent.exists() else "does not exist"
        raise ValueError(f"{path} cannot be written, as its folder {path.parent} {wrong}")
    for closed in (path, path.parent):
        if closed.exists() and not os.access(closed, os.W_OK):
            raise ValueError(
                f"{path} cannot be written, as there is no permission to write to {closed}"
            )
    return path


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Gives a path to write to, whose file takes the place of ``path`` when the block ends.

    An older file stays until then, and no part of the new one stays after an error or an interrupt. A
    link stays, and what it leads to is replaced; a device such as /dev/stdout is written to itself.

    Raises:
        ValueError: as ``check_output`` does.
        OSError: if the disk refuses; names ``path``.
    """
    path = check_output(path)
    target = path.resolve()
    if target.exists() and not target.is_file():
        yield path
        return
    unfinished = target.with_name(f".unfinished-{os.getpid()}-{target.name}")
    try:
        yield unfinished
        os.replace(unfinished, target)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):
            unfinished.unlink()
