"""Files that were made to be wrong, with digests that are right: refused, and the one before is used."""

import copy
import io
import json
import random
import resource
import time
import zipfile

import numpy as np
import pytest

from nappo2 import load_params
from nappo2.saving.archive import DIGEST_SIZE, FORMAT, _digest, read_archive, write_archive
from nappo2.saving.checkpoint import checkpoints_in
from nappo2.saving.packing import Packed, pack
from tests.makers.comparing import equal
from tests.makers.recipes import recipe_in, run_of
from tests.makers.stepping import step

pytestmark = pytest.mark.usefixtures("without_curves")

GOOD = "ppo", "gymnasium", "uniform"


def two(folder, combination=GOOD):
    """A run with two checkpoints; the newest one."""
    run = step(run_of(recipe_in(*combination), "3cs", folder), 3)
    run.save()
    step(run, 2).save()
    return checkpoints_in(folder / "checkpoints")[0], run.env_steps


def sealed(path, members, compression=zipfile.ZIP_STORED):
    """Writes an archive of these members, with a digest that is right."""
    with open(path, "w+b") as file:
        with zipfile.ZipFile(file, "w", compression) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
            archive.comment = b"0" * DIGEST_SIZE
        digest = _digest(file)
        file.seek(-DIGEST_SIZE, io.SEEK_END)
        file.write(digest)


def array_of(header, data=b"\0" * 8):
    """A .npy with this header, whatever it claims."""
    text = repr(header).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def with_array(data):
    return {
        "format.txt": FORMAT,
        "skeleton.json": '{"dict": {"params": {"array": 0}}}',
        "0.npy": data,
    }


def nested(depth):
    return {"format.txt": FORMAT, "skeleton.json": '{"list": [' * depth + "]}" * depth}


FORM = {"descr": "<f4", "fortran_order": False, "shape": (2,)}
MEMBERS = {
    "nothing": {},
    "no skeleton": {"format.txt": FORMAT},
    "no json": {"format.txt": FORMAT, "skeleton.json": "{"},
    "deep": nested(100_000),
    "a list": {"format.txt": FORMAT, "skeleton.json": "[1, 2]"},
    "a number of many digits": {"format.txt": FORMAT, "skeleton.json": "1" * 10_000},
    "another version": {"format.txt": "nappo2 checkpoint 99", "skeleton.json": "{}"},
    "bytes that are no text": {"format.txt": b"\xff\xfe", "skeleton.json": "{}"},
    "no array": with_array(b"none"),
    "a shape of terabytes": with_array(array_of(FORM | {"shape": (10**12,)})),
    "a negative shape": with_array(array_of(FORM | {"shape": (-2,)})),
    "a shape of texts": with_array(array_of(FORM | {"shape": ("a",)})),
    "too few bytes": with_array(array_of(FORM | {"shape": (3,)})),
    "objects": with_array(array_of(FORM | {"descr": "|O"})),
    "a dtype that is none": with_array(array_of(FORM | {"descr": "system"})),
    "another header": with_array(array_of("os.system('true')")),
    "another array version": with_array(b"\x93NUMPY\x09\x00" + b"\0" * 20),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_an_archive_that_is_wrong_is_refused_and_the_one_before_it_used(name, tmp_path):
    newest, steps = two(tmp_path)
    sealed(newest, MEMBERS[name])
    run = run_of(recipe_in(*GOOD), "3cs", seed=5)
    before = pack([run.params, run.env_steps])
    with pytest.raises(ValueError, match=newest.name):
        run.resume(newest)
    assert equal(pack([run.params, run.env_steps]), before)
    with pytest.warns(UserWarning, match=f"{newest.name}.*going on from"):
        run.resume(tmp_path)
    assert 0 < run.env_steps < steps


def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_what_would_fill_memory_is_refused_before_it_does(tmp_path):
    """Half a gigabyte of zeros in half a megabyte; one megabyte under 1,000 names; rows without end."""
    newest, _ = two(tmp_path)
    run, before, start = run_of(recipe_in(*GOOD), "3cs", seed=5), memory(), time.monotonic()
    sealed(newest, with_array(bytes(2**29)), zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="its members claim more than"):
        run.resume(newest)
    sealed(newest, MEMBERS["no skeleton"] | {"x": random.Random(0).randbytes(999)}, 8)
    with pytest.raises(ValueError, match=r"format.txt is compressed"):
        run.resume(newest)
    sealed(newest, with_array(array_of(FORM | {"shape": (2**18,)}, bytes(2**20))))
    overlapping(newest, 1_000)
    with pytest.raises(ValueError, match="its members claim more than"):
        run.resume(newest)
    assert memory() - before < 1.2e9  # what this test wrote itself
    parts = dict(pack({"x": np.zeros(4)}).skeleton["dict"])
    rows = {"rows": parts["x"] | {"tensor": 0}, "length": 10**13}
    rows["rows"].pop("array")
    write_archive(Packed({"dict": {"params": rows}}, [np.zeros(4)]), newest)
    with pytest.raises(ValueError, match=r"a state of [\d.]+ GB"):
        run.resume(newest)
    assert time.monotonic() - start < 60


def overlapping(path, num):
    """The directory of an archive names its last member many times."""
    data = path.read_bytes()
    place = data.index(b"PK\x01\x02")
    entries = [b"PK\x01\x02" + part for part in data[place:].split(b"PK\x01\x02")[1:]]
    last, end = entries[-1].split(b"PK\x05\x06")
    entries[-1] = last
    many = b"".join(entries) + last * num
    total = (len(entries) + num).to_bytes(2, "little")
    tail = b"PK\x05\x06" + bytes(4) + total * 2
    tail += len(many).to_bytes(4, "little") + place.to_bytes(4, "little") + end[16:18]
    path.write_bytes(data[:place] + many + tail + b"0" * DIGEST_SIZE)
    with open(path, "r+b") as file:
        digest = _digest(file)
        file.seek(-DIGEST_SIZE, io.SEEK_END)
        file.write(digest)


WRONG = (
    *(None, True, -1, 10**18, 1.5, float("nan"), "many", [], {}, {"tensor": 10**6}, {"array": -1}),
    {"kind": "system", "module": "os", "fields": {"command": "true"}},
    {"kind": "Popen", "module": "subprocess", "fields": {"args": "true"}},
    *({"list": 5}, {"tuple": [[]]}, {"dict": [1]}, {"pairs": [[1]]}, {"dtype": "system"}),
    *({"generator": 0}, {"packed": {}, "first": 0, "count": 10**9}, {"bytes": "x"}),
    {"tensordict": {"a": {"tensor": 0}}, "batch_size": [10**12]},
    {"numpy_generator": "os", "state": {}},
)


def places(x, path=()):
    """All places in a skeleton."""
    yield path
    inner = x.items() if isinstance(x, dict) else enumerate(x) if isinstance(x, list) else ()
    for key, part in inner:
        yield from places(part, (*path, key))


def replaced(skeleton, path, value):
    if not path:
        return value
    skeleton = copy.deepcopy(skeleton)
    part = skeleton
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return skeleton


@pytest.mark.filterwarnings("ignore:.*going on from")
@pytest.mark.parametrize("combination", [GOOD, ("double_dqn", "images", "prioritized")])
def test_a_skeleton_with_something_else_in_it_never_ends_a_resume(combination, tmp_path):
    """60 places, 23 wrong values: what is resumed is one of the two checkpoints, and no error comes out."""
    newest, steps = two(tmp_path, combination)
    good, chance = read_archive(newest), random.Random(0)
    all_places, resumed = list(places(good.skeleton)), []
    for _ in range(60):
        wrong = replaced(good.skeleton, chance.choice(all_places), chance.choice(WRONG))
        write_archive(Packed(json.loads(json.dumps(wrong)), good.arrays), newest)
        run = run_of(recipe_in(*combination), "3cs", seed=5)
        run.resume(tmp_path)
        resumed.append(run.env_steps)
    older = min(resumed)
    assert set(resumed) == {older, steps} and resumed.count(older) > 20


@pytest.mark.parametrize("name", MEMBERS)
def test_params_that_are_wrong_are_refused(name, tmp_path):
    sealed(tmp_path / "params.npz", MEMBERS[name])
    with pytest.raises(ValueError, match=r"params\.npz holds no params of nappo2, or is damaged"):
        load_params(tmp_path / "params.npz")


def test_a_newest_checkpoint_that_cannot_be_read_is_passed_over(tmp_path):
    """A directory stands where it was; a link that leads nowhere."""
    newest, steps = two(tmp_path)
    newest.unlink()
    newest.mkdir()
    run = run_of(recipe_in(*GOOD), "3cs", seed=5)
    with pytest.warns(UserWarning, match=f"{newest.name}.*going on from"):
        run.resume(tmp_path)
    assert 0 < run.env_steps < steps
    newest.rmdir()
    newest.symlink_to(tmp_path / "nowhere")
    run.resume(tmp_path)
