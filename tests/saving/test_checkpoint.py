"""Checkpoints on disk: whole or refused, and never in the way of the run."""

import os
import random
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from nappo2.saving.archive import FORMAT, Damaged, read_archive, write_archive
from nappo2.saving.checkpoint import checkpoints_in, read_checkpoint
from nappo2.saving.packing import Packed, pack
from nappo2.saving.unpacking import unpack
from tests.makers.comparing import equal
from tests.makers.recipes import RESUMED, run_of
from tests.makers.stepping import step

pytestmark = pytest.mark.usefixtures("without_curves")


def two_checkpoints(folder):
    """A run that has left two; the newer one, and its Learner."""
    run = step(run_of(RESUMED["ppo"](), "3cs", folder), 2)
    run.save()
    step(run, 2).save()
    newest, older = checkpoints_in(folder / "checkpoints")
    return newest, older, run


def corruptions(path, num, chance):
    """Functions that damage a file: truncations, flipped bits, and what is no checkpoint at all."""
    size = path.stat().st_size
    lengths = [0, 1, size // 2, int(0.99 * size), size - 1]
    lengths += [chance.randrange(size) for _ in range(num // 10 - len(lengths))]
    yield from (lambda length=length: os.truncate(path, length) for length in lengths)
    places = [(chance.randrange(size), chance.randrange(8)) for _ in range(num // 2)]
    yield from (lambda place=place: flip(path, *place) for place in places)
    members = zipfile.ZipFile(path).namelist()
    for i in range(num - len(lengths) - len(places) - 3):
        name = members[i % len(members)]
        yield lambda name=name: without(path, name)
    yield path.unlink
    yield lambda: path.write_bytes(b"PK\3\4 and nothing of nappo2's")
    yield lambda: versioned(path, "nappo2 checkpoint 3")


def flip(path, place, bit):
    with open(path, "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ (1 << bit)]))


def without(path, name):
    """The same archive, but one of its members."""
    with zipfile.ZipFile(path) as archive:
        members = {n: archive.read(n) for n in archive.namelist() if n != name}
    with zipfile.ZipFile(path, "w") as archive:
        for other, data in members.items():
            archive.writestr(other, data)


def versioned(path, name):
    """The same file, as another version would have written it, with a digest that is right."""
    import nappo2.saving.archive

    packed, before = read_archive(path), nappo2.saving.archive.FORMAT
    nappo2.saving.archive.FORMAT = name
    try:
        write_archive(packed, path)
    finally:
        nappo2.saving.archive.FORMAT = before


def check_corruptions(folder, num):
    newest, older, _ = two_checkpoints(folder)
    whole, other = newest.read_bytes(), run_of(RESUMED["ppo"](), "3cs", seed=9)
    before, detected = pack([other.params, other.state, other.env_steps]), 0
    for damage in corruptions(newest, num, random.Random(0)):
        newest.write_bytes(whole)
        damage()
        if newest.exists():
            with pytest.raises(ValueError, match=newest.name):
                other.resume(newest)
            assert equal(pack([other.params, other.state, other.env_steps]), before)
            with pytest.warns(UserWarning, match=f"{newest.name}.*going on from .*{older.name}"):
                read_checkpoint(folder, other._checked)
        else:
            assert read_checkpoint(folder, other._checked)
        detected += 1
    return detected


def test_what_is_damaged_is_named_and_the_one_before_it_used(tmp_path):
    """20 of 20, and nothing is touched; ``nox -s faults`` takes 200."""
    assert check_corruptions(tmp_path, 20) == 20


@pytest.mark.faults
def test_two_hundred_corruptions_are_all_detected(tmp_path):
    """20 truncations, 100 flipped bits, 77 deleted members, a file that is gone, foreign or newer."""
    detected = check_corruptions(tmp_path, 200)
    print(f"\ncorruptions detected: {detected} of 200")
    assert detected == 200


def test_a_checkpoint_of_other_params_or_of_nan_is_refused(tmp_path):
    newest, _, run = two_checkpoints(tmp_path)
    with pytest.raises(ValueError, match="has other params: weights/"):
        run_of(RESUMED["sac"](), "3cs").resume(newest)
    run.params["weights"].apply_(lambda x: x.fill_(float("nan")))
    rewritten(newest, params=run.params)
    with pytest.raises(Damaged, match="params that are not finite: weights/"):
        run_of(RESUMED["ppo"](), "3cs").resume(newest)


def rewritten(path, **parts):
    """The same file with other parts, and a digest that is right."""
    write_archive(pack(dict(read_archive(path).items()) | parts), path)


def test_the_last_three_and_the_best_are_kept(tmp_path):
    """Evaluations give 1, 3, 2, 0, 0: the best is that after 64 env steps."""
    from nappo2.runs.evaluate import Evaluation

    scores = iter([1.0, 3.0, 2.0, 0.0, 0.0])
    run = run_of(RESUMED["ppo"](), "3cs", tmp_path)
    run.evaluate = lambda params: Evaluation(*(np_tensor(next(scores)),) * 2)
    run.evaluate_every = run.checkpoint_every = 32
    step(run, 5).save()
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["best.npz", *(f"steps-{32 * i:012d}.npz" for i in (3, 4, 5))]
    best = run_of(RESUMED["ppo"](), "3cs")
    best.resume(tmp_path / "checkpoints" / "best.npz")
    assert best.env_steps == 64


def np_tensor(x):
    import torch

    return torch.tensor([x])


class Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_no_file_that_is_read_runs_code(tmp_path):
    """A pickle as a checkpoint, as params, and as an array within either; a name that is not known."""
    import pickle

    from nappo2 import load_params

    run, fired = run_of(RESUMED["ppo"](), "3cs"), tmp_path / "executed"
    canary = np.array([Canary(fired)], dtype=object)
    plain, inside = tmp_path / "steps-1.npz", tmp_path / "steps-2.npz"
    plain.write_bytes(pickle.dumps(Canary(fired)))
    np.savez(inside, **{"0": canary, "weights": canary})
    sealed = tmp_path / "steps-3.npz"  # with a digest that is right
    write_archive(Packed({"dict": {"params": {"array": 0}}}, [np.zeros(1)]), sealed)
    append_pickle(sealed, canary)
    for path in (plain, inside, sealed):
        with pytest.raises(ValueError, match=path.name):
            run.resume(path)
        with pytest.raises(ValueError, match=path.name):
            load_params(path)
    with pytest.raises(ValueError, match=r"system\(command\) is not known here"):
        unpack(Packed({"kind": "system", "fields": {"command": "true"}}, []))
    with pytest.raises(TypeError, match=r"state\.x is Canary, which is no data"):
        pack({"x": Canary(fired)})
    assert not fired.exists()


def append_pickle(path, canary):
    """Replaces the array of an archive by a pickle, and seals it again."""
    import io

    from nappo2.saving import archive

    data = io.BytesIO()
    np.lib.format.write_array(data, canary, allow_pickle=True)
    without(path, "0.npy")
    with open(path, "r+b") as file:
        with zipfile.ZipFile(file, "a") as whole:
            whole.writestr("0.npy", data.getvalue())
            whole.comment = b"0" * archive.DIGEST_SIZE
        digest = archive._digest(file)
        file.seek(-archive.DIGEST_SIZE, os.SEEK_END)
        file.write(digest)
    assert FORMAT.encode() in path.read_bytes()


KILLING = """
import os, random, signal, sys, time
from pathlib import Path
import numpy as np
from nappo2.saving.archive import read_archive
from nappo2.saving.checkpoint import Checkpoints, checkpoints_in
from nappo2.saving.packing import pack
from nappo2.saving.unpacking import unpack

def save(folder, told):
    checkpoints, i = Checkpoints(folder), 0
    while True:
        i += 1
        checkpoints.begin(pack({"i": i, "x": np.full(200_000, i)}), i, best=i % 5 == 0)
        checkpoints.finish()
        os.write(told, bytes([i]))

folder, chance, good = Path(sys.argv[1]), random.Random(0), 0
for _ in range(int(sys.argv[2])):
    listen, told = os.pipe()
    pid = os.fork()
    if not pid:
        save(folder, told)
    last = [os.read(listen, 1)[0] for _ in range(chance.randint(2, 6))][-1]
    time.sleep(chance.uniform(0, 0.02))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    newest = checkpoints_in(folder)[0]
    found = {name: unpack(part) for name, part in read_archive(newest).items()}
    good += found["i"] >= last and bool((found["x"] == found["i"]).all())
    if (folder / "best.npz").exists():
        read_archive(folder / "best.npz")
    for path in checkpoints_in(folder):
        path.unlink()
print(good)
"""


def check_kills(folder, num):
    """SIGKILL at random moments of continuous saving; how often the newest was good."""
    command = [sys.executable, "-c", KILLING, folder, str(num)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=280, check=True)
    return int(found.stdout)


def test_a_kill_while_saving_leaves_the_last_one_whole(tmp_path):
    """And what it left unfinished goes with the next."""
    assert check_kills(tmp_path, 3) == 3
    run = step(run_of(RESUMED["ppo"](), "3cs", tmp_path / "run"), 1)
    (tmp_path / "run" / "checkpoints").mkdir()
    (tmp_path / "run" / "checkpoints" / ".steps-9.npz.999999999.staged").write_text("")
    run.save()
    assert [p.name for p in (tmp_path / "run" / "checkpoints").iterdir()] == [
        "steps-000000000032.npz"
    ]


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_fifty_kills_while_saving(tmp_path):
    good = check_kills(tmp_path, 50)
    print(f"\nlatest good after a kill while saving: {good} of 50")
    assert good == 50


FULL = """
import resource, sys, warnings
sys.path.insert(0, "")
from pathlib import Path
from tests.makers.recipes import RESUMED, run_of
from tests.makers.stepping import step
run = run_of(RESUMED["sac"](), "3cs", Path(sys.argv[1]))
step(run, 20)
run.checkpoint(); run.files.checkpoints.finish()
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    step(run, 20)
    run.save()
    step(run, 20)
    run.save()
print(run.env_steps, len(run.metrics), len(seen), *sorted({str(w.message)[:25] for w in seen}), sep="|")
"""


def test_a_full_disk_ends_no_run_and_no_checkpoint(tmp_path):
    """No file may grow beyond 1,000 bytes: each refusal is said once, and the first checkpoint stays."""
    found = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", FULL, tmp_path / "run", "1000"],
        capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip
    steps, rows, _, *kinds = found.stdout.strip().split("|")
    assert int(rows) > 10 and int(steps) == 4 * int(rows)
    assert kinds == [
        "curve.png was not written",
        "metrics.csv failed, and t",
        "no checkpoint was written",
        "params.npz was not writte",
    ]
    names = [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()]
    assert len(names) == 1 and run_of(RESUMED["sac"](), "3cs").resume(tmp_path / "run") is None
