"""Entries of rl-zoo3 as presets: all of its facts map, or say what does not."""

import inspect
import re
from itertools import chain
from pathlib import Path

import pytest
import yaml
from sb3_contrib import TQC
from stable_baselines3 import A2C, DQN, PPO, SAC, TD3
from torch import nn

from nappo2 import Learner, envs, from_zoo, preset, scheme
from nappo2.recipes import RECIPES
from nappo2.zoo.defaults import DEFAULTS, OF_ZOO
from nappo2.zoo.fields import FIELDS
from nappo2.zoo.literals import literal
from nappo2.zoo.needs import NEEDS
from tests.zoo.facts import FACTS, lin

THEIRS = {"ppo": PPO, "a2c": A2C, "dqn": DQN, "sac": SAC, "td3": TD3, "tqc": TQC}
ENTRIES = [(algorithm, name) for algorithm, facts in FACTS.items() for name in facts]
MISFITS = {
    ("ppo", "CarRacing-v3"): ["policy_kwargs.activation_fn", "env_wrapper"],
    ("a2c", "atari"): ["policy_kwargs.optimizer_class"],
    ("td3", "MountainCarContinuous-v0"): ["noise_type"],
    ("sac", "FetchReach-v1"): ["normalize", "replay_buffer_class", "replay_buffer_kwargs"],
    **{("ppo", name): ["env_wrapper"] for name in FACTS["ppo"] if name.startswith("MiniGrid")},
}
"""Keys of entries that do not fit."""


@pytest.fixture
def zoo(tmp_path):
    """Reads an entry of a file that holds nothing else: an algorithm's facts by default."""

    def read(algorithm, name, env_id=None, values=None, **options):
        path = tmp_path / f"{algorithm}.yml"
        path.write_text(yaml.safe_dump({name: values or FACTS[algorithm][name]}))
        return from_zoo(path, env_id or env_of(name), **options)

    return read


def env_of(name):
    return "PongNoFrameskip-v4" if name == "atari" else name


def has_gsde(algorithm, name):
    return "use_sde" in FACTS[algorithm][name]


@pytest.mark.parametrize(("algorithm", "name"), ENTRIES)
def test_every_entry_maps_or_says_what_does_not(zoo, algorithm, name):
    """Where it maps, budgets are the entry's, and the recipe has gSDE where the entry has it."""
    values = FACTS[algorithm][name]
    misfits = MISFITS.get((algorithm, name))
    if misfits:
        with pytest.raises(ValueError, match="leaves that out") as error:
            zoo(algorithm, name)
        assert all(f"{key}: " in str(error.value) for key in misfits)
    found = zoo(algorithm, name, without=misfits or ())
    assert found.algorithm == algorithm + "_gsde" * has_gsde(algorithm, name)
    assert found.algorithm in RECIPES
    assert found.preset.total_steps == values["n_timesteps"]
    assert found.preset.num_envs == values.get("n_envs", 1)
    assert found.preset.env == env_of(name) and name in found.preset.source


@pytest.mark.parametrize(
    ("algorithm", "name", "recipe", "own"),
    [
        ("ppo", "CartPole-v1", "ppo", "cartpole_zoo"),
        ("ppo", "Pendulum-v1", "ppo_gsde", "pendulum"),
        ("ppo", "HalfCheetahBulletEnv-v0", "ppo_gsde", "bullet"),
        ("ppo", "AntBulletEnv-v0", "ppo_gsde", "ant"),
        ("ppo", "ReacherBulletEnv-v0", "ppo_gsde", "reacher"),
        ("ppo", "HopperBulletEnv-v0", "ppo_gsde", "hopper"),
        ("a2c", "AntBulletEnv-v0", "a2c_gsde", "bullet"),
        ("a2c", "ReacherBulletEnv-v0", "a2c_gsde", "reacher"),
        ("tqc", "HopperBulletEnv-v0", "tqc_gsde", "hopper"),
        ("tqc", "Walker2DBulletEnv-v0", "tqc_gsde", "walker2d"),
        ("tqc", "HumanoidBulletEnv-v0", "tqc_gsde", "humanoid"),
        ("tqc", "AntBulletEnv-v0", "tqc_gsde", "bullet"),
        ("dqn", "CartPole-v1", "dqn", "cartpole"),
        ("dqn", "atari", "dqn", "atari"),
        ("sac", "HalfCheetahBulletEnv-v0", "sac_gsde", "bullet"),
        ("sac", "Walker2DBulletEnv-v0", "sac_gsde", "hopper"),
        ("td3", "AntBulletEnv-v0", "td3", "bullet"),
        ("td3", "Swimmer-v4", "td3", "swimmer"),
        ("td3", "Ant-v4", "td3", "mujoco"),
        ("tqc", "Swimmer-v4", "tqc", "swimmer"),
        ("tqc", "Hopper-v4", "tqc", "hopper"),
        ("tqc", "Walker2d-v4", "tqc", "mujoco"),
    ],
)
def test_presets_that_say_so_are_rl_zoo3s(zoo, algorithm, name, recipe, own):
    """Each preset whose source is rl-zoo3 is what its entry is read as."""
    found = zoo(algorithm, name)
    expected = preset(recipe, own)
    assert found.algorithm == recipe and found.preset.config == expected.config
    assert found.preset.total_steps == expected.total_steps
    assert found.preset.num_envs == expected.num_envs


def test_an_entry_by_hand(zoo):
    """A rollout of 8 x 32 is one batch; 391 rollouts of 20 updates; the value loss is halved here."""
    found = zoo("ppo", "CartPole-v1", env_id="torch/CartPole-v1").preset
    config = found.config
    assert found.env == "torch/CartPole-v1" and found.total_steps == 100_000
    assert (config.num_steps, config.num_minibatches, config.num_epochs) == (32, 1, 20)
    assert config.value_coef == 1.0 and not config.normalize
    assert config.anneal_updates == 7_812 and config.annealed == ("learning_rate", "clip_eps")


@pytest.mark.parametrize("algorithm", THEIRS)
def test_what_an_entry_does_not_say_is_stable_baselines3s_default(zoo, algorithm):
    """Against the signatures of its algorithms and policies, so that their changes are noticed."""
    of_policy = THEIRS[algorithm].policy_aliases["MlpPolicy"]
    of_algorithm, kwargs = (inspect.signature(x).parameters for x in (THEIRS[algorithm], of_policy))
    classes = {"FlattenExtractor": "None"} | ({"Adam": "RMSprop"} if algorithm == "a2c" else {})
    for key, ours in DEFAULTS[algorithm].items():
        name = key.removeprefix("policy_kwargs.")
        if key in ("noise_type", "noise_std"):  # of the zoo
            continue
        default = (of_algorithm if name == key else kwargs)[name].default
        if isinstance(default, type):  # A2C itself chooses RMSProp
            named = classes.get(default.__name__, default.__name__)
            assert str(ours).rpartition(".")[2] == named, key
        else:
            assert ours == default, key


@pytest.mark.parametrize("algorithm", DEFAULTS)
def test_no_key_that_may_be_in_an_entry_is_ignored(algorithm):
    """Each is read by a field or a check; those of gSDE alone mean nothing without use_sde."""
    recipes = [name for name in FIELDS if name.removesuffix("_gsde") == algorithm]
    of_gsde = {
        "use_sde",
        "sde_sample_freq",
        "policy_kwargs.log_std_init",
        "policy_kwargs.clip_mean",
    }
    rules = chain(*(FIELDS[name].values() for name in recipes), NEEDS[algorithm])
    read = {key for rule in rules for key in rule.keys}
    of_envs = {"env_wrapper", "vec_env_wrapper", "frame_stack", "env_kwargs", "n_envs"}
    assert set(DEFAULTS[algorithm]) | set(OF_ZOO) <= read | of_envs | of_gsde


def test_the_table_of_the_docs_has_every_key():
    page = (Path(__file__).parents[2] / "docs" / "from_zoo.md").read_text()
    rows = page.partition("## What each key becomes")[2].splitlines()
    keys = {
        key
        for row in rows
        if row.startswith("| `")
        for key in re.findall(r"`([\w.]+)`", row.split("|")[1])
    }
    assert keys == {"n_timesteps", *OF_ZOO, *chain(*DEFAULTS.values())}


SIZES = {
    "ppo": ("Hopper-v4", "HalfCheetahBulletEnv-v0", "Pendulum-v1", "MountainCarContinuous-v0"),
    "a2c": ("Ant-v4", "Pendulum-v1"),
    "sac": ("Pendulum-v1", "HopperBulletEnv-v0", "LunarLanderContinuous-v3"),
    "td3": ("HalfCheetahBulletEnv-v0",),
    "tqc": ("Hopper-v4", "HopperBulletEnv-v0", "LunarLanderContinuous-v3"),
    "dqn": ("CartPole-v1", "LunarLander-v3"),
}


@pytest.mark.parametrize(("algorithm", "name"), [(k, x) for k, xs in SIZES.items() for x in xs])
def test_networks_have_as_many_weights_as_stable_baselines3s(zoo, algorithm, name):
    """On Pendulum or CartPole, whose spaces are small; targets are not counted."""
    env_id = "CartPole-v1" if algorithm == "dqn" else "Pendulum-v1"
    found = zoo(algorithm, name, env_id=env_id, entry=name)
    env = envs.make(env_id, found.preset.num_envs)
    weights = RECIPES[found.algorithm](env, found.preset.config).init(0)["weights"]
    values = FACTS[algorithm][name]
    kwargs = literal(values.get("policy_kwargs", "dict()"))
    if "activation_fn" in kwargs:
        kwargs["activation_fn"] = getattr(nn, kwargs["activation_fn"].rpartition(".")[2])
    others = {"use_sde": True} if values.get("use_sde") else {}
    others |= {"buffer_size": 10} if "buffer_size" in DEFAULTS[algorithm] else {}
    model = THEIRS[algorithm]("MlpPolicy", env_id, policy_kwargs=kwargs, **others)
    theirs = sum(x.numel() for key, x in model.policy.named_parameters() if "target" not in key) + (
        algorithm in ("sac", "tqc")
    )  # the temperature is not among them
    assert sum(x.numel() for x in weights.values(True, True)) == theirs


@pytest.mark.parametrize(
    ("algorithm", "values", "message"),
    [
        ("ppo", {"n_step": 8}, "n_step: no key of ppo .*; did you mean 'n_steps'"),
        ("ppo", {"n_steps": "many"}, "n_steps: it is a number, not 'many'"),
        ("ppo", {"n_steps": 2.5}, "n_steps: it is a whole number, not 2.5"),
        ("ppo", {"n_envs": 0, "learning_rate": "lin_0.1"}, "n_envs: it is at least 1, not 0"),
        ("ppo", {"n_envs": -2}, "n_envs: it is at least 1, not -2"),
        ("ppo", {"n_timesteps": -5}, "n_timesteps: it is at least 1, not -5"),
        ("ppo", {"frame_stack": 0}, "frame_stack: it is at least 1, not 0"),
        ("ppo", {"n_steps": 0}, "n_steps: it is at least 1, not 0"),
        ("dqn", {"train_freq": 0}, "train_freq: it is at least 1, not 0"),
        ("dqn", {"gradient_steps": 0}, "gradient_steps: it is at least 1, or -1 for one per trans"),
        (
            "dqn",
            {"gamma": 1.2, "tau": 3},
            "gamma: .*not 1.2; tau: .*not 3.0; without=.'gamma', 'tau'",
        ),
        ("ppo", {"batch_size": 100}, "batch_size: 100 does not divide the 2048 transitions"),
        ("ppo", {"clip_range": "exp_0.2"}, "clip_range: it is a number, or such as lin_0.4"),
        ("dqn", {"exploration_fraction": -1}, "exploration_fraction: it is within 0 and 1, not -1"),
        ("ppo", {"clip_range_vf": 0.2}, "clip_range_vf: clip_value takes the larger"),
        ("ppo", {"policy": "mine.Policy"}, "policy: networks of one's own are arguments"),
        ("ppo", {"policy_kwargs": "dict(net_arch=dict(pi=[64], vf=[32]))"}, "net_arch: actor and"),
        (
            "ppo",
            {"policy_kwargs": "dict(a=__import__('os').getcwd())"},
            "__import__.* is no number",
        ),
        ("ppo", {"policy_kwargs": "dict(net_arch=[64"}, "cannot be read"),
        ("ppo", {"env_wrapper": "my.Wrapper"}, "env_wrapper: envs.make has no option for Wrapper"),
        ("ppo", {"normalize": "dict(norm_obs=True, norm_reward=False)"}, "normalize: what can be"),
        ("ppo", {"callback": "my.Callback"}, "callback: callbacks are the body"),
        ("sac", {"train_freq": [1, "episode"]}, "train_freq: it counts steps here, not 'episode'"),
        ("sac", {"target_update_interval": 2}, "target_update_interval: targets move in each"),
        ("td3", {"noise_type": "ornstein-uhlenbeck", "noise_std": 0.5}, "noise_type: noise on"),
        ("dqn", {"exploration_initial_eps": 0.5}, "exploration begins with 1"),
    ],
)
def test_what_does_not_fit_is_named_with_the_key(zoo, algorithm, values, message):
    with pytest.raises(ValueError, match=message):
        zoo(algorithm, "mine", env_id="mine", values={"n_timesteps": 1000, **values})


def test_the_rate_of_dqn_falls_over_the_updates_of_its_run(zoo):
    """50,000 transitions but for the first 1,000, with a gradient for each fourth."""
    values = {"n_timesteps": 50_000, "learning_starts": 1_000, "learning_rate": "lin_2.3e-3"}
    found = zoo("dqn", "mine", env_id="mine", values=values).preset.config
    assert (found.learning_rate, found.anneal_updates) == (2.3e-3, 12_250)


@pytest.mark.parametrize(
    ("given", "alpha", "is_learnt"),
    [("auto", 1.0, True), ("auto_0.1", 0.1, True), (0.1, 0.1, False), ("1e-3", 1e-3, False)],
)
def test_a_temperature_is_learnt_where_it_is_automatic(zoo, given, alpha, is_learnt):
    """YAML takes 1e-3, without a point, for a text."""
    values = {"n_timesteps": 1_000, "ent_coef": given}
    found = zoo("sac", "mine", env_id="mine", values=values).preset.config
    assert (found.initial_alpha, found.learn_alpha) == (alpha, is_learnt)


def test_all_that_does_not_fit_is_in_one_sentence_and_can_be_left_out(zoo):
    values = {"n_timesteps": 1e4, "callback": "x", "n_step": 8, "clip_range_vf": 0.1}
    with pytest.raises(ValueError) as error:
        zoo("ppo", "mine", env_id="mine", values=values)
    keys = ["callback", "n_step", "clip_range_vf"]
    assert all(f"{key}: " in str(error.value) and f"'{key}'" in str(error.value) for key in keys)
    assert zoo("ppo", "mine", env_id="mine", values=values, without=keys).preset.num_envs == 1
    with pytest.raises(ValueError, match="gamma: without names a key that the entry does not have"):
        zoo("ppo", "mine", env_id="mine", values=values, without=[*keys, "gamma"])
    with pytest.raises(ValueError, match="n_timesteps: it is the number of env steps of a run"):
        zoo("ppo", "mine", env_id="mine", values={"gamma": 0.9})


def test_wrappers_are_arguments_of_environments(zoo):
    wrappers = [
        "sb3_contrib.common.wrappers.TimeFeatureWrapper",
        {"rl_zoo3.wrappers.FrameSkip": {"skip": 2}},
        {"gymnasium.wrappers.time_limit.TimeLimit": {"max_episode_steps": 50}},
    ]
    values = {
        "n_timesteps": 1e4,
        "env_wrapper": wrappers,
        "frame_stack": 3,
        "env_kwargs": "dict(g=9.8)",
    }
    found = zoo("sac", "Pendulum-v1", values=values)
    assert found.preset.env_arguments == {
        "time_feature": True,
        "frame_skip": 2,
        "frame_stack": 3,
        "env_kwargs": {"g": 9.8, "max_episode_steps": 50},
    }
    assert found.recipe().env.observation_space.shape == (
        12,
    )  # three of three numbers and the time


def test_files_as_the_zoo_writes_them_are_read(tmp_path):
    """With anchors, merged mappings, tagged floats and dicts over several lines."""
    path = tmp_path / "sac.yml"
    path.write_text(
        """
default:
  n_timesteps: !!float 1e6
  policy: 'MlpPolicy'

HalfCheetahBulletEnv-v0: &bullet
  n_timesteps: !!float 1e6
  learning_rate: !!float 7.3e-4
  ent_coef: 'auto_0.5'
  use_sde: True
  policy_kwargs: "dict(log_std_init=-3,
                       net_arch=[400, 300]
                       )"

HopperBulletEnv-v0:
  <<: *bullet
  learning_rate: lin_7.3e-4
  ent_coef: 0.1
"""
    )
    cheetah = from_zoo(path, "HalfCheetahBulletEnv-v0").preset.config
    assert (cheetah.learning_rate, cheetah.anneal_updates) == (7.3e-4, 0)
    assert (cheetah.initial_log_std, cheetah.hidden) == (-3, (400, 300))
    assert (cheetah.initial_alpha, cheetah.learn_alpha) == (0.5, True)
    hopper = from_zoo(path, "HopperBulletEnv-v0").preset.config
    assert (hopper.learning_rate, hopper.anneal_updates) == (7.3e-4, 999_900)
    assert (hopper.initial_alpha, hopper.learn_alpha) == (0.1, False)
    with pytest.raises(ValueError, match="has no entry for Ant-v5; entry="):
        from_zoo(path, "Ant-v5")
    assert from_zoo(path, "Ant-v5", entry="default").preset.env == "Ant-v5"
    with pytest.raises(ValueError, match="no entry 'defualt'; did you mean 'default'"):
        from_zoo(path, "Ant-v5", entry="defualt")


def test_files_that_are_none_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"ppo.yml cannot be read: .*No such file"):
        from_zoo(tmp_path / "ppo.yml", "CartPole-v1")
    for text, message in (
        ("- 1", "has no entries as rl-zoo3's"),
        ("a: 1", "has no entries"),
        ("a: [", "cannot be read"),
        ("a: !!python/object/apply:os.getcwd []", "cannot be read"),
    ):
        (tmp_path / "ppo.yml").write_text(text)
        with pytest.raises(ValueError, match=message):
            from_zoo(tmp_path / "ppo.yml", "CartPole-v1")
    with pytest.raises(ValueError, match="algorithm='ars' is none of those whose entries are read"):
        from_zoo(tmp_path / "ars.yml", "CartPole-v1")


def test_texts_of_python_are_parsed_and_never_executed():
    assert literal("dict(a=-2, b=nn.ReLU, c=dict(pi=[1, 2.5]), d='x', e=None, f=(True,),)") == {
        "a": -2,
        "b": "nn.ReLU",
        "c": {"pi": [1, 2.5]},
        "d": "x",
        "e": None,
        "f": [True],
    }
    assert literal(" {'norm_obs': False} ") == {"norm_obs": False}
    for text in (
        "print(1)",
        "dict(**x)",
        "dict([1])",
        "1 + 1",
        "[x for x in y]",
        "f()[0]",
        "a.b()",
    ):
        with pytest.raises(ValueError, match=r"is no number, text, name, list or dict\(...\)"):
            literal(text)
    for text in ("", "dict(", "a b", "x = 1", "(" * 500 + ")" * 500):
        with pytest.raises(ValueError, match="cannot be read"):
            literal(text)


def test_a_preset_that_was_read_trains(zoo):
    """A few steps with a learning rate that falls, layers that begin uniform, and gSDE."""
    values = {
        "n_timesteps": 256, "n_envs": 2, "n_steps": 16, "batch_size": 16, "n_epochs": 2,
        "use_sde": True, "learning_rate": lin(1e-3), "normalize": True,
        "policy_kwargs": "dict(ortho_init=False, net_arch=[8])",
    }  # fmt: skip
    found = zoo("ppo", "Pendulum-v1", env_id="torch/Pendulum-v1", values=values)
    recipe, steps = found.recipe(), found.preset.total_steps
    learner = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=steps, progress=False)
    rates = [float(learner.params["hyper", "learning_rate"]) for _ in learner]
    assert recipe.name == "ppo_gsde" and rates[-1] == 0 and rates[0] > rates[1]
