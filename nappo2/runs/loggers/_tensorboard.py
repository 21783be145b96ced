"""Event files of TensorBoard."""

import json
import math
from pathlib import Path
from typing import Any

from nappo2.checks import checked
from nappo2.runs.loggers.logger import LoggerMaker, Run, Service, check_installed
from nappo2.runs.metrics import position

MAX_FRAMES = 100  # of a GIF, which takes fifty times the space of a film


@checked
def tensorboard(folder: str | Path | None = None) -> LoggerMaker:
    """Writes event files; videos become GIFs of at most 100 frames.

    ``folder`` None is the folder tensorboard in the log_dir of the run.

    Raises:
        ImportError: without tensorboard; says how to install it.
    """
    check_installed("tensorboard")
    given = None if folder is None else Path(folder).absolute()

    def make(run: Run) -> Service:
        from torchrl.record.loggers.tensorboard import TensorboardLogger  # 0.7 s, so only here

        path = given or run.log_dir / "tensorboard"
        writer = TensorboardLogger(path.name, log_dir=str(path.parent)).experiment
        writer.add_text("settings", f"```\n{json.dumps(run.settings, indent=2)}\n```")

        def log(row):
            for name, value in row.items():
                add = writer.add_text if isinstance(value, str) else writer.add_scalar
                add(name, value, position(row))
            writer.flush()

        return Service(log, lambda *file: add_picture(writer, *file), writer.close)

    return LoggerMaker("tensorboard", make, needs_log_dir=folder is None)


def add_picture(writer: Any, path: Path, env_steps: int) -> None:
    """Adds a PNG, or an MP4 as a GIF.

    Args:
        writer: a ``SummaryWriter``.
        path: of the file.
        env_steps: at which it is shown.
    """
    from tensorboard.compat.proto.summary_pb2 import Summary

    if path.suffix == ".png":
        data = path.read_bytes()
        name, width, height = path.stem, *(_number(data[i : i + 4]) for i in (16, 20))
    else:
        name, (data, width, height) = path.parent.name, gif_of(path)
    image = Summary.Image(encoded_image_string=data, width=width, height=height, colorspace=3)
    value = Summary.Value(tag=name, image=image)
    writer.file_writer.add_summary(Summary(value=[value]), env_steps)
    writer.flush()


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def gif_of(path: Path) -> tuple[bytes, int, int]:
    """Encodes a film as a GIF of at most 100 frames; returns it with its width and height."""
    from imageio import v2 as imageio

    with imageio.get_reader(path) as reader:
        fps = reader.get_meta_data()["fps"]
        frames = list(iter(reader))  # as the length of the reader is infinite
    every = math.ceil(len(frames) / MAX_FRAMES)
    chosen = [frame[::2, ::2] for frame in frames[::every]]
    height, width = chosen[0].shape[:2]
    data = imageio.mimwrite("<bytes>", chosen, "GIF", duration=1000 * every / fps, loop=0)
    return data, width, height
