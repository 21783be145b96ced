"""What loggers have written, read back as rows."""

import json
import sqlite3
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from nappo2.runs.metrics import Row

BLOCK = 32_768  # bytes, of a W&B file


def merged(rows: Iterable[Row]) -> list[Row]:
    """Rows by their env steps: what came later is added to the row that it belongs to."""
    whole: dict[int, Row] = {}
    for row in rows:
        whole.setdefault(int(row["env_steps"]), {}).update(row)
    return list(whole.values())


def of_tensorboard(folder: Path) -> list[Row]:
    """Rows in event files; numbers are of 32 bits there."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0}).Reload()
    numbers = [
        {"env_steps": x.step, name: x.value}
        for name in events.Tags()["scalars"]
        for x in events.Scalars(name)
    ]
    texts = [
        {"env_steps": x.step, "event": x.tensor_proto.string_val[0].decode()}
        for x in events.Tensors("event/text_summary")
    ]
    return sorted(merged(numbers + texts), key=lambda row: row["env_steps"])


def pictures_of_tensorboard(folder: Path) -> dict[str, bytes]:
    """The last picture of each name in event files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {x: events.Images(x)[-1].encoded_image_string for x in events.Tags()["images"]}


def of_wandb(folder: Path) -> list[Row]:
    """Rows of a W&B run that was offline, without what W&B adds."""
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    items = [x.history.item for x in _records(path) if x.WhichOneof("record_type") == "history"]
    rows = [
        {".".join(x.nested_key) or x.key: json.loads(x.value_json) for x in row} for row in items
    ]
    return merged({k: x for k, x in row.items() if k[0] != "_" and "." not in k} for row in rows)


def _records(path: Path) -> Iterator:
    """The records of a W&B file: a log as LevelDB's, behind seven bytes."""
    from wandb.proto import wandb_internal_pb2

    data, place, whole = path.read_bytes(), 7, b""
    while place + 7 <= len(data):
        left = BLOCK - place % BLOCK
        if left < 7:
            place += left
            continue
        _, size, kind = struct.unpack("<IHB", data[place : place + 7])
        whole, place = whole + data[place + 7 : place + 7 + size], place + 7 + size
        if kind in (1, 4):  # whole, or the last of several parts
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


def of_mlflow(uri: str) -> list[Row]:
    """Rows of the only run in a database of MLflow."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    (run,) = client.search_runs([x.experiment_id for x in client.search_experiments()])
    numbers = [
        {"env_steps": x.step, name: x.value}
        for name in run.data.metrics
        for x in client.get_metric_history(run.info.run_id, name)
    ]
    tags = [(*name.split("."), x) for name, x in run.data.tags.items() if name.startswith("event.")]
    rows = merged(numbers + [{"env_steps": int(step), "event": x} for _, step, x in tags])
    return sorted(rows, key=lambda row: row["env_steps"])


def of_trackio(folder: Path) -> list[Row]:
    """Rows of the only run in a folder of Trackio, without pictures."""
    (path,) = folder.glob("*.db")
    with sqlite3.connect(path) as database:
        found = database.execute("select metrics from metrics order by id").fetchall()
    rows = [json.loads(text) for (text,) in found]
    return merged({k: x for k, x in row.items() if not isinstance(x, dict)} for row in rows)
