"""What a state may hold is the same after it was packed and unpacked."""

from collections import deque
from typing import NamedTuple

import numpy as np
import pytest
import torch
from tensordict import TensorDict

from nappo2 import Learner, envs, load_params, make_params, ppo, save_params
from nappo2.params import replaced
from nappo2.pipeline import Pipeline, stage
from nappo2.saving.packing import pack
from nappo2.saving.unpacking import UnknownKind, unpack
from nappo2.stages.recipe import collect_of, learn_of
from tests.makers.comparing import equal
from tests.makers.recipes import CONFIGS

pytestmark = pytest.mark.usefixtures("without_curves")


class Late(NamedTuple):
    """A state that a stage does not have at first."""

    x: torch.Tensor
    seen: dict


VALUES = {
    "keys": {1: 2, (0, "a"): 3.0, None: [4], "text": 5, False: 6},
    "sequences": [(1, 2), {3, 4}, frozenset({5}), deque([6, 7], maxlen=3), []],
    "numbers": [True, 2**70, 1.5, float("inf"), 1 + 2j, b"bytes", "text", None],
    "numpy": [
        np.float32(1.5),
        np.int64(3),
        np.bool_(True),
        np.arange(6).reshape(2, 3),
        np.zeros(0),
    ],
    "strings": np.array(["a", "bc"]),
    "times": np.array(["2020-01-01"], "datetime64[D]"),
    "bfloat16": torch.tensor([1.5, 2.0], dtype=torch.bfloat16),
    "float8": torch.tensor([1.5, 2.0]).to(torch.float8_e5m2),
    "complex": torch.tensor([1 + 2j]),
    "halves": torch.ones(2, dtype=torch.float16),
    "none": torch.empty(0, 3),
    "scalar": torch.tensor(3),
    "transposed": torch.arange(6).view(2, 3).T,
    "expanded": torch.ones(1).expand(4),
    "conjugate": torch.tensor([1 + 2j]).conj(),
    "weights": torch.ones(2, requires_grad=True),
    "dtype and device": [torch.int8, torch.device("cpu")],
    "tree": TensorDict({"a": torch.ones(2, 3), "b": {"c": torch.zeros(2)}}, [2]),
    "late": Late(torch.ones(1), {7: 8}),
}


@pytest.mark.parametrize("name", VALUES)
def test_what_is_packed_is_the_same_again(name):
    value = VALUES[name]
    again = unpack(pack(value))
    assert equal(pack(again), pack(value)) and type(again) is type(value)
    for x, y in zip(*(v if isinstance(v, list) else [v] for v in (value, again)), strict=True):
        assert isinstance(y, (int, float, np.number)) or type(x) is type(y)


@pytest.mark.parametrize("kind", ["torch", "PCG64", "MT19937", "Philox", "SFC64"])
def test_generators_go_on(kind):
    """The numbers after the first ten are the same."""
    if kind == "torch":
        one, draw = torch.Generator().manual_seed(3), lambda g: torch.rand(10, generator=g).tolist()
    else:
        one = np.random.Generator(getattr(np.random, kind)(3))
        draw = lambda g: g.normal(size=10).tolist()
    draw(one)
    assert draw(unpack(pack(one))) == draw(one)


def test_what_is_used_twice_is_one_thing_again():
    x, y = torch.ones(2), np.zeros(3)
    a, b, c, d = unpack(pack([x, x, y, y]))
    assert a is b and c is d


@pytest.mark.parametrize(
    "value",
    [
        *(object(), lambda: 1, open, np.array([object()])),
        *(torch.ones(2).to_sparse(), torch.ones(1, device="meta")),
    ],
)
def test_what_is_no_data_is_named(value):
    with pytest.raises(TypeError, match=r"state\.a\[1\]\.b is "):
        pack({"a": [0, {"b": value}]})


def test_classes_that_are_no_named_tuples_are_not_made():
    for kind, module in (
        ("Popen", "subprocess"),
        ("Path", "pathlib"),
        ("Late.__class__", __name__),
    ):
        packed = pack(Late(torch.ones(1), {}))
        packed.skeleton.update(kind=kind, module=module)
        with pytest.raises(UnknownKind, match="is not known here"):
            unpack(packed)


def test_params_of_any_names_and_dtypes_are_loaded_as_they_were(tmp_path):
    """A slash and a tilde in a name; bfloat16 and float8, which numpy does not know."""
    weights = TensorDict(
        {"a/b~1": torch.ones(2), "a": {"b~1": torch.zeros(3)}, "half": torch.ones(2).bfloat16()}
    )
    params = make_params(weights, learning_rate=1.0)
    loaded = load_params(save_params(params, tmp_path / "p.npz"))
    assert equal(loaded, params)


@stage
def with_memory(value: object, name: str = "with_memory"):
    """A stage whose state is None at first, and something else after a step."""

    def transform(source):
        def step(params, state):
            inner, item, report = source.step(params, state)
            return inner | {name: value}, item, report

        return Pipeline(lambda p, s: source.init(p, s) | {name: None}, step)

    return transform


def run(value, folder=None):
    recipe = ppo(envs.cartpole(2), CONFIGS["ppo"])
    pipe = collect_of(recipe) | with_memory(value) | recipe.prepare | learn_of(recipe)
    options = {"log_dir": folder, "checkpoint_every": 10**9} if folder else {}
    return Learner(pipe, recipe.init(0), 1, 10**9, progress=False, **options)


def test_a_state_that_a_stage_gets_later_is_live_again(tmp_path):
    first = run(Late(torch.arange(3), {1: 2}), tmp_path)
    first.step(), first.save()
    second = run(None)
    second.resume(tmp_path)
    late = second.state["with_memory"]
    assert type(late) is Late and late.seen == {1: 2} and late.x.tolist() == [0, 1, 2]


def test_a_checkpoint_that_fails_costs_neither_the_run_nor_its_params(tmp_path):
    """A stage that remembers a function: each checkpoint is warned of, and params.npz is there."""
    broken = run(lambda: 1, tmp_path)
    broken.checkpoint_every = 16
    with pytest.warns(UserWarning, match=r"a checkpoint was not written.*with_memory is function"):
        for _ in range(3):
            broken.step()
        broken.save()
    assert equal(load_params(tmp_path / "params.npz"), broken.params) and broken.env_steps == 48
    with pytest.raises(TypeError, match="with_memory is function"):
        broken.checkpoint()


def test_what_is_not_finite_is_never_written_over_what_is(tmp_path):
    """Weights, and statistics alone; hyper-parameters may be infinite."""
    good = run(None, tmp_path)
    good.step(), good.save()
    params, names = (
        load_params(tmp_path / "params.npz"),
        sorted((tmp_path / "checkpoints").iterdir()),
    )
    for branch in ("weights", "normalizer"):
        bad = run(None, tmp_path)
        bad.begin(aside=False)
        bad.step()
        leaf = next(x for x in bad.params[branch].values(True, True) if x.is_floating_point())
        leaf.fill_(float("inf"))
        with pytest.warns(UserWarning, match=f"{branch}/.* is not finite") as warned:
            bad.save()
        assert {str(w.message).split(" was not")[0] for w in warned} == {
            "params.npz",
            "a checkpoint",
        }
        assert equal(load_params(tmp_path / "params.npz"), params)
        assert sorted((tmp_path / "checkpoints").iterdir()) == names
    fine = run(None, tmp_path)
    fine.begin(aside=False)
    more = fine.params["hyper"].copy().update({"limit": torch.tensor(float("inf"))})
    fine.params = replaced(fine.params, hyper=more)
    fine.step(), fine.save()
    again = run(None)
    again.resume(tmp_path)
    assert again.env_steps == 16
