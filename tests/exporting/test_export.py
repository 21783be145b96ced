"""Exported agents act as their policies do, for whatever there is of recipes and spaces."""

import json
from functools import cache

import gymnasium
import numpy as np
import onnxruntime
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from nappo2 import PPO, Learner, TrainedAgent, envs, evaluate, load, load_run, ppo, scheme
from nappo2.cli import main
from nappo2.envs import action_spec
from nappo2.exporting import FORMATS, export, export_policy, load_safetensors
from nappo2.exporting.exported import actions as exported_actions
from nappo2.networks import actor_critic, mlp
from nappo2.policies import Policy, memoryless
from nappo2.recipes import RECIPES, recurrent_ppo
from tests.makers.environments import ACTIONS, Echo, Strict
from tests.makers.recipes import CONFIGS, ENVS, NAMES, recipe_in, with_other_numbers

PAIRS = [(r, e) for r in RECIPES for e in ENVS if e not in ("lost", "bullet")]
FIRST = {
    name: next(e for r, e in PAIRS if r == name and recipe_in(r, e, "uniform")) for name in RECIPES
}
KINDS = {
    "ppo": "numbers, continuous",
    "dqn": "images",
    "sac": "goals",
    "recurrent_ppo": "numbers, discrete",
}
"""Recipes whose ONNX files are tried each time, as these take longest, and an environment of each."""


def exported(name, env, path, num=100, stochastic=False):
    """A recipe's agent in a file."""
    recipe = recipe_in(name, env, "uniform")
    policy = recipe.policy if stochastic else recipe.greedy
    agent = TrainedAgent(recipe, with_other_numbers(recipe.init(0)))
    return export(agent, path, policy=policy, num_observations=num)


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory):
    """ONNX files of the recipes in KINDS, each made once."""
    folder = tmp_path_factory.mktemp("onnx")
    return cache(lambda name: exported(name, KINDS[name], folder / f"{name}.onnx", 200))


def session(path):
    """``inputs -> outputs`` by name, in onnxruntime."""
    inner = onnxruntime.InferenceSession(str(path))
    names = [output.name for output in inner.get_outputs()]
    return lambda **inputs: dict(zip(names, inner.run(names, inputs), strict=True))


@pytest.mark.parametrize("suffix", [".pt2", ".safetensors"])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_every_recipe_acts_as_its_policy(name, suffix, tmp_path):
    file = exported(name, FIRST[name], tmp_path / f"policy{suffix}")
    assert file.parity.difference <= 1e-5 and file.parity.num_observations == 100


@pytest.mark.parametrize("suffix", [".pt2", ".safetensors", ".onnx"])
def test_a_file_takes_each_part_of_an_observation_by_its_name(suffix, tmp_path):
    """The camera has its channels last, as the bare environment has it; a room is a choice from 0."""
    file = exported("ppo", "parts", tmp_path / f"policy{suffix}")
    shapes = {port.name: (port.shape[1:], port.dtype) for port in file.inputs}
    assert shapes == {
        "camera": ((7, 6, 3), "uint8"),
        "state.place": ((2,), "float32"),
        "state.room": ((), "int64"),
        "doors.0": ((3,), "bool"),
        "doors.1": ((2,), "int64"),
    }
    assert file.parity.difference <= 1e-5


@pytest.mark.parametrize("name", KINDS)
def test_so_does_an_onnx_file(name, onnx_file):
    assert onnx_file(name).parity.difference <= 1e-5


@pytest.mark.exports
@pytest.mark.parametrize("stochastic", [False, True], ids=["greedy", "stochastic"])
@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(("name", "env"), PAIRS, ids=lambda x: x.replace(" ", "_"))
def test_every_recipe_in_every_format_on_a_thousand_observations(
    name, env, suffix, stochastic, tmp_path
):
    """Those with a memory over 200 steps; ``-s`` shows the differences."""
    if recipe_in(name, env, "uniform") is None:
        pytest.skip("it does not go with this environment")
    file = exported(name, env, tmp_path / f"policy{suffix}", 1000, stochastic)
    print(f"\n{name}, {env}, {suffix}: {file.parity.difference:.1e}, {file.parity.num_steps} steps")
    assert file.parity.difference <= 1e-5 and file.parity.num_observations == 1000
    assert file.parity.num_steps == (200 if len(file.outputs) > 1 else 1)


SPACES = [
    Box(0, 255, (2, 2), np.uint8),
    Box(np.array([-1.0, -np.inf]), np.array([1.0, 0.0]), dtype=np.float64),
    *(
        pytest.param(space, marks=pytest.mark.exports)
        for space in (
            *(Discrete(3, start=-1), Box(-2.3, 7.7, (1,)), Box(-1, 1, (1,), np.float16)),
            *(Box(0, 10, (2, 2), np.float64), Box(0, 1, (2,), bool), Box(-9, 9, (1,), np.int64)),
            Box(0, 65535, (1,), np.uint16),
        )
    ),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_actions_are_those_of_the_space_of_the_environment(space, tmp_path):
    """In its dtype and its shape, in batches of any size."""
    recipe = ppo(envs.from_gym(Strict, 1, space=space), PPO(num_steps=32, num_minibatches=1))
    agent = TrainedAgent(recipe, with_other_numbers(recipe.init(0)))
    export(agent, tmp_path / "policy.onnx", num_observations=50)
    run = session(tmp_path / "policy.onnx")
    observation = 3 * np.random.default_rng(0).standard_normal((40, 2), np.float32)
    actions = run(observation=observation)["action"]
    assert all(space.contains(action) for action in actions)
    assert len({action.tobytes() for action in actions}) > 1
    (alone,) = run(observation=observation[:1])["action"]
    assert alone == pytest.approx(actions[0], abs=1e-5)


@pytest.mark.parametrize(
    "suffix", [".safetensors", pytest.param(".onnx", marks=pytest.mark.exports)]
)
@pytest.mark.parametrize("space", ACTIONS.values(), ids=ACTIONS)
def test_parts_of_an_action_are_outputs_of_their_own(space, suffix, tmp_path):
    """Of the greedy policy, and of the one that draws."""
    recipe = ppo(envs.from_gym(lambda: Echo(space), 2), CONFIGS["ppo"])
    agent = TrainedAgent(recipe, with_other_numbers(recipe.init(0)))
    for policy in (recipe.greedy, recipe.policy):
        file = export(agent, tmp_path / f"policy{suffix}", policy=policy, num_observations=50)
        assert file.parity.difference <= 1e-5


def test_a_hybrid_action_by_its_names(tmp_path):
    recipe = recurrent_ppo(
        envs.from_gym(lambda: Echo(ACTIONS["hybrid"]), 2), CONFIGS["recurrent_ppo"]
    )
    agent = TrainedAgent(recipe, with_other_numbers(recipe.init(0)))
    file = export(agent, tmp_path / "policy.onnx", num_observations=50)
    names = [port.name for port in file.outputs]
    assert sorted(names) == ["action_far", "action_way", "next_memory"]
    assert file.parity.difference <= 1e-5 and file.parity.num_steps > 1
    about = exported_actions(action_spec(ACTIONS["hybrid"]))
    assert about["parts"]["way"] == {"kind": "discrete", "size": 2}
    assert about["parts"]["far"] == {"kind": "continuous", "size": 1, "low": [0.0], "high": [1.0]}


class Camera(gymnasium.Env):
    """Shows images of bytes with their channels last, or a stack of these."""

    action_space = Discrete(4)

    def __init__(self, shape):
        self.observation_space = Box(0, 255, shape, np.uint8)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self.np_random.integers(256, size=self.observation_space.shape, dtype=np.uint8), {}

    def step(self, action):
        self.time += 1
        shape = self.observation_space.shape
        image = self.np_random.integers(256, size=shape, dtype=np.uint8)
        return image, 0.0, False, self.time == 9, {}


@pytest.mark.parametrize("shape", [(10, 8, 3), (2, 10, 8, 3)])
def test_images_are_taken_as_the_bare_environment_shows_them(shape, tmp_path):
    """With their channels last, though the network has them first."""
    recipe = ppo(
        envs.from_gym(Camera, 2, shape=shape), PPO(num_steps=8, num_minibatches=1, hidden=(8,))
    )
    params = with_other_numbers(recipe.init(0))
    file = export(TrainedAgent(recipe, params), tmp_path / "policy.pt2", num_observations=60)
    assert file.inputs[0].shape == ("batch", *shape) and file.inputs[0].dtype == "uint8"
    image, _ = Camera(shape).reset(seed=0)
    (action,) = torch.export.load(file.path).module()(torch.from_numpy(image[None]))
    first = torch.from_numpy(np.moveaxis(image, -1, -3).reshape(-1, 10, 8))
    assert action.item() == recipe.greedy.act(params, first[None], (), None)[0].item()


class MaskedCamera(Camera):
    """Of four actions allows the last two."""

    def action_masks(self):
        return np.array([False, False, True, True])


def test_an_image_beside_a_mask_is_taken_as_the_bare_environment_shows_it(tmp_path):
    env = envs.from_gym(MaskedCamera, 2, shape=(10, 8, 3))
    recipe = ppo(env, PPO(num_steps=8, num_minibatches=1, hidden=(8,)))
    params = with_other_numbers(recipe.init(0))
    file = export(TrainedAgent(recipe, params), tmp_path / "policy.pt2", num_observations=60)
    shapes = {port.name: port.shape for port in file.inputs}
    assert shapes == {"observation": ("batch", 10, 8, 3), "action_mask": ("batch", 4)}


def test_goals_are_taken_by_name(onnx_file):
    """Also the achieved one, which the network does not read."""
    file = onnx_file("sac")
    assert [port.name for port in file.inputs] == ["achieved_goal", "desired_goal", "observation"]
    inputs = dict.fromkeys((port.name for port in file.inputs), np.zeros((3, 4), np.float32))
    assert session(file.path)(**inputs)["action"].shape == (3,)


def test_a_memory_goes_in_and_out_and_is_0_where_an_episode_begins(onnx_file):
    file = onnx_file("recurrent_ppo")
    assert [str(port) for port in file.inputs[1:]] == [
        "memory [batch, 8] float32 (0 where an episode begins)"
    ]
    assert [port.name for port in file.outputs] == ["action", "next_memory"]
    assert file.parity.num_steps == 200 and "over 200 steps" in repr(file)
    run, observation = session(file.path), np.ones((1, 4), np.float32)
    memory = np.zeros((1, 8), np.float32)
    for _ in range(3):
        before, memory = memory, run(observation=observation, memory=memory)["next_memory"]
        assert not np.array_equal(before, memory)


def test_noise_is_an_input_and_gives_the_probabilities_of_the_policy(tmp_path):
    """10,000 draws by numpy, within three standard deviations."""
    recipe = recipe_in("ppo", "numbers, discrete", "uniform")
    params = with_other_numbers(recipe.init(0))
    file = export(
        TrainedAgent(recipe, params),
        tmp_path / "policy.onnx",
        policy=recipe.policy,
        num_observations=100,
    )
    assert str(file.inputs[1]) == "noise [batch, 2] float32 (exponential of mean 1)"
    noise = np.random.default_rng(0).exponential(size=(10_000, 2)).astype(np.float32)
    observation = torch.full((1, 4), 0.3)
    actions = session(file.path)(observation=observation.expand(10_000, 4).numpy(), noise=noise)
    batch = {"observation": observation, "action": torch.ones(1, dtype=torch.int64)}
    probability = recipe.policy.log_prob(params, batch).exp().item()
    deviation = (probability * (1 - probability) / 10_000) ** 0.5
    assert abs(actions["action"].mean() - probability) < 3 * deviation


def test_the_matrix_of_gsde_is_an_input(tmp_path):
    path = tmp_path / "policy.safetensors"
    file = exported("ppo_gsde", "numbers, continuous", path, stochastic=True)
    assert list(map(str, file.inputs[1:])) == [
        "memory_noise [batch, 8, 1] float32 (standard normal)"
    ]
    assert [port.name for port in file.outputs] == ["action"]


def test_an_agent_without_updates_explores_as_it_does(tmp_path):
    """Uniformly, until its first update; epsilon-greedy afterwards."""
    recipe = recipe_in("dqn", "numbers, discrete", "uniform")
    laws = ["uniform integers from 0 to 1", "uniform in [0, 1)", "uniform integers from 0 to 1"]
    for params, num in ((recipe.init(0), 3), (with_other_numbers(recipe.init(0)), 2)):
        agent, path = TrainedAgent(recipe, params), tmp_path / "policy.safetensors"
        file = export(agent, path, policy=recipe.policy, num_observations=50)
        assert [port.about for port in file.inputs[1:]] == laws[:num]


def test_weights_are_loaded_into_params_of_the_recipe(tmp_path):
    recipe = recipe_in("recurrent_ppo", "gymnasium", "uniform")
    params, path = with_other_numbers(recipe.init(0)), tmp_path / "policy.safetensors"
    export(TrainedAgent(recipe, params), path, num_observations=50)
    loaded = load_safetensors(path, recipe.init(7))
    scores = (evaluate(recipe.env, recipe.greedy, p, 6).returns.tolist() for p in (params, loaded))
    assert next(scores) == next(scores)
    assert loaded["version"] == 0 and loaded.keys() == params.keys()
    other = recipe_in("ppo", "gymnasium", "uniform")
    with pytest.raises(ValueError, match=r"has weights\.core.*, which is not among these params"):
        load_safetensors(path, other.init(0))
    wider = ppo(recipe.env, PPO(num_steps=8, num_minibatches=1, hidden=(16, 8)))
    narrow = tmp_path / "narrow.safetensors"
    export(TrainedAgent(other, other.init(0)), narrow, num_observations=10)
    with pytest.raises(ValueError, match=r"actor.* has the shape .* in .*narrow.* in these params"):
        load_safetensors(narrow, wider.init(0))


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_says_what_it_computes_and_not_where_it_was_made(suffix, tmp_path, capfd):
    """Nothing is printed, and the folder has two files, without a path of this machine."""
    file = exported("ppo", "numbers, continuous", tmp_path / f"policy{suffix}")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        file.path.name,
        f"{file.path.name}.json",
    ]
    said = json.loads((tmp_path / f"{file.path.name}.json").read_text())
    assert said["environment"] == "pendulum" and said["name"] == "ppo"
    assert said["inputs"] == [{"name": "observation", "shape": ["batch", 3], "dtype": "float32"}]
    assert said["outputs"] == [{"name": "action", "shape": ["batch", 1], "dtype": "float32"}]
    assert said["parity"] == file.parity._asdict()
    assert {"nappo2", "torch", *FORMATS[suffix].packages} <= set(said["versions"])
    assert b"site-packages" not in file.path.read_bytes()
    assert "".join(capfd.readouterr()) == ""


def test_weights_have_plain_names_and_what_is_known_of_the_network(tmp_path):
    from safetensors import safe_open

    file = exported("ppo", "numbers, continuous", tmp_path / "policy.safetensors")
    with safe_open(file.path, "np") as weights:
        assert "weights.actor.0.weight" in weights.keys()
        assert not any("critic" in name for name in weights.keys())
        about = json.loads(weights.metadata()["nappo2"])
    assert about["actions"] == {"kind": "continuous", "size": 1, "low": [-2.0], "high": [2.0]}
    assert about["weights"]["weights.actor.0.weight"] == [8, 3] and about["normalised"]
    names = [line.partition(" = ")[2].partition("(")[0] for line in about["operations"]]
    first = ["aten.sub.Tensor", "aten.div.Tensor", "aten.clamp", "aten.linear", "aten.tanh"]
    assert names[1:6] == first  # after the size of the batch


ENV = envs.cartpole(2)
RECIPE = ppo(ENV, CONFIGS["ppo"])


@pytest.mark.parametrize("name", ["policy.pth", "policy"])
def test_another_suffix_is_refused_with_those_there_are(name, tmp_path):
    with pytest.raises(ValueError, match=r"ends in .onnx, .pt2, .safetensors"):
        export(TrainedAgent(RECIPE, RECIPE.init(0)), tmp_path / name)


@pytest.mark.parametrize(
    ("suffix", "package"), [(".onnx", "onnxscript"), (".safetensors", "safetensors")]
)
def test_a_missing_package_is_named_with_what_installs_it(suffix, package, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(ImportError, match=rf"needs {package}.*pip install '\.\[export\]'"):
        export(TrainedAgent(RECIPE, RECIPE.init(0)), tmp_path / f"policy{suffix}")


def acting(act):
    """A policy without a memory."""
    return Policy(
        memoryless, lambda params, x, memory, rng: (act(params, x, rng), memory), lambda *_: None
    )


def count_calls():
    """Zeros, and ones from the fifth call on."""
    calls = []

    def act(params, x, rng):
        calls.append(1)
        return torch.full(x.shape[:1], int(len(calls) > 5))

    return act


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (count_calls(), r"policy.pt2 would differ from the policy by 1.0e\+00 on 20 observations"),
        (
            lambda params, x, rng: torch.multinomial(x.abs() + 1, 1, generator=rng)[:, 0] % 2,
            "draws by torch's multinomial",
        ),
        (
            lambda params, x, rng: torch.full(x.shape[:1], int(x.sum() > 0)),
            "torch.export cannot trace the policy: ",
        ),
    ],
)
def test_what_no_file_can_compute_is_refused_in_a_sentence(act, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export_policy(ENV, acting(act), RECIPE.init(0), tmp_path / "policy.pt2", "mine", 20)
    assert list(tmp_path.iterdir()) == []


def test_params_of_another_environment_are_refused(tmp_path):
    other = ppo(envs.pendulum(2), CONFIGS["ppo"])
    with pytest.raises(ValueError, match="with these params the policy cannot act on"):
        export(TrainedAgent(other, RECIPE.init(0)), tmp_path / "policy.onnx")


def test_an_older_file_stays_where_the_new_one_is_refused(tmp_path):
    path = tmp_path / "policy.pt2"
    path.write_text("an agent")
    with pytest.raises(ValueError, match="would differ"):
        export_policy(ENV, acting(count_calls()), RECIPE.init(0), path, "mine", 20)
    assert path.read_text() == "an agent"


def run_in(folder, env):
    """The folder of a run of two updates in an environment."""
    recipe = ppo(env, PPO(num_steps=8, num_minibatches=1, hidden=(8,)))
    pipe = scheme("3cs", recipe)
    learner = Learner(pipe, recipe.init(0), target_steps=32, log_dir=folder, progress=False)
    return learner.run()


@pytest.mark.parametrize("kind", ["Learner", "folder", "file", "load_run", "load"])
def test_whatever_says_which_run_is_exported(kind, tmp_path):
    """The environment is that of the run; an agent that was loaded has only its spaces."""
    learner = run_in(tmp_path / "run", envs.make("CartPole-v1", 2))
    run = {
        "Learner": lambda: learner,
        "folder": lambda: str(tmp_path / "run"),
        "file": lambda: tmp_path / "run" / "params.npz",
        "load_run": lambda: load_run(tmp_path / "run"),
        "load": lambda: load(tmp_path / "run"),
    }[kind]()
    if kind == "load":
        with pytest.raises(ValueError, match="stands in for CartPole-v1"):
            export(run, tmp_path / "policy.pt2")
    env = envs.make("CartPole-v1", 1) if kind == "load" else None
    file = export(run, tmp_path / "policy.pt2", env=env, num_observations=20)
    assert file.parity.difference <= 1e-5 and file.environment == "CartPole-v1"


def test_an_environment_that_only_its_author_has_is_asked_for(tmp_path):
    run_in(tmp_path / "run", envs.from_gym(Camera, 2, shape=(4, 4, 1)))
    with pytest.raises(ValueError, match="give the environment"):
        export(tmp_path / "run", tmp_path / "policy.pt2")
    env = envs.from_gym(Camera, 1, shape=(4, 4, 1))
    assert export(tmp_path / "run", tmp_path / "policy.pt2", env=env, num_observations=20)


def test_the_command_line_exports_a_run(tmp_path, capsys):
    run_in(tmp_path / "run", envs.make("CartPole-v1", 2))
    path = tmp_path / "policy.safetensors"
    with pytest.raises(SystemExit) as ended:
        main(["export", str(tmp_path / "run"), str(path), "--observations", "20"])
    out, err = capsys.readouterr()
    assert ended.value.code == 0
    row = json.loads(out)
    assert row["output"] == str(path) and row["difference"] <= 1e-5
    assert "takes observation [batch, 4] float32" in err
    with pytest.raises(SystemExit):
        main(["export", str(tmp_path / "run"), str(tmp_path / "policy.pth")])
    assert "ends in .onnx, .pt2, .safetensors" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["export", str(tmp_path / "run"), str(path), "--best"])
    assert "has no best.npz" in capsys.readouterr().err


def test_a_network_of_ones_own_is_exported(tmp_path):
    agent = actor_critic(mlp(4, 5, 2, activation=torch.relu), mlp(4, 1))
    recipe = ppo(ENV, PPO(num_steps=8, num_minibatches=1), agent=agent)
    assert (
        export(
            TrainedAgent(recipe, recipe.init(0)), tmp_path / "a.pt2", num_observations=50
        ).parity.difference
        <= 1e-5
    )
