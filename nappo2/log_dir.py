"""The directory that a run writes to."""

import os
from pathlib import Path

FILES = (
    "metrics.csv",
    "params.npz",
    "curve.png",
    "run.json",
    "tensorboard",
    "checkpoints",
    "monitor",
)


def made(log_dir: Path) -> Path:
    """The directory, made if need be."""
    if log_dir.exists() and not log_dir.is_dir():
        raise ValueError(f"log_dir is a directory; {log_dir} is a file")
    try:
        log_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"log_dir {log_dir} cannot be made: {error}") from error
    return log_dir


def set_aside(log_dir: Path) -> None:
    """Moves what an earlier run left."""
    old = [log_dir / name for name in FILES if (log_dir / name).exists()]
    if old:
        aside = earlier(log_dir)
        for path in old:
            os.replace(path, aside / path.name)


def earlier(log_dir: Path) -> Path:
    """A new directory for what is set aside."""
    aside = next(p for i in range(1, 10**6) if not (p := log_dir / f"earlier-{i}").exists())
    aside.mkdir()
    return aside


def parents(path: str | Path) -> list[Path]:
    """A path and all folders that it is in."""
    path = Path(path).absolute()
    return [path, *path.parents]


def write_whole(path: Path, text: str) -> None:
    """Writes a text to ``path`` all at once, and never through a link that stands there."""
    unfinished = path.with_name(f".{path.name}.tmp")
    unfinished.unlink(missing_ok=True)
    unfinished.write_text(text)
    os.replace(unfinished, path)
