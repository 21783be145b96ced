"""Arguments of the wrong kind: every public function names them, in one sentence, where they are given."""

import collections.abc
import importlib
import inspect
import math
import pkgutil
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import pytest
import torch
from gymnasium.spaces import Box, Space
from tensordict import TensorDict

import nappo2
from nappo2 import PPO, distributions, envs, gae, mlp, networks, optim, ppo, serial
from nappo2.advice.costs import Costs, Learning
from nappo2.envs import Env
from nappo2.pipeline import Pipeline, Transform
from nappo2.runs.learner import Learner
from nappo2.stages import random_distillation
from nappo2.stages.exploring.bonus import Bonus, Sight, normalized_sight
from nappo2.stages.recipe import collect_of, learn_of


class Foreign:
    """What nobody has ever heard of."""

    def __repr__(self):
        return "<Foreign>"


ENV = envs.cartpole(2)
RECIPE = ppo(ENV, PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
PARAMS = RECIPE.init(0)
NETWORK = mlp(4, 2)
AGENT = networks.actor_critic(NETWORK, mlp(4, 1))
SIGHT = normalized_sight(lambda observation: observation, 4)
TORSO, BATCH = networks.gru(4, 3), networks.batch_renorm_mlp(4, 2)
EXAMPLES = {
    Env: ENV,
    Pipeline: collect_of(RECIPE),
    nappo2.Policy: RECIPE.policy,
    nappo2.Recipe: RECIPE,
    PPO: PPO(num_steps=8, num_minibatches=2),
    nappo2.schemes.Backend: serial,
    networks.Network: NETWORK,
    networks.Agent: AGENT,
    networks.ActorCritic: AGENT,
    networks.ActorCritics: networks.actor_critics(NETWORK, NETWORK),
    networks.BatchNetwork: BATCH,
    networks.BatchActorCritics: networks.batch_actor_critics(BATCH, BATCH),
    networks.NoisyNetwork: networks.noisy_mlp(4, 2),
    nappo2.losses.DistributionalQ: nappo2.losses.DistributionalQ(print, print),
    networks.RecurrentActorCritic: networks.recurrent_actor_critic(TORSO, mlp(3, 2), mlp(3, 1)),
    networks.Cell: TORSO,
    Sight: SIGHT,
    Bonus: random_distillation(NETWORK, NETWORK, SIGHT),
    Costs: Costs(16, 2, 1.0, 0.0, {1: Learning(0.0, 0.0, 0.1, 0.2)}, 0.1),
    distributions.Distribution: distributions.categorical(),
    optim.GradientTransformation: optim.adam(),
    TensorDict: PARAMS,
    torch.Tensor: torch.zeros(2),
    torch.Generator: torch.Generator(),
    torch.dtype: torch.float32,
    Space: Box(-1, 1, (4,)),
    str: "CartPole-v1",
    int: 2,
    float: 0.5,
    bool: False,
    Path: Path("nowhere"),
    dict: {},
    Transform: gae(AGENT),
    nappo2.Stage: collect_of(RECIPE).stages[0],
    nappo2.stages.Compatibility: RECIPE.compatible,
    networks.RecurrentQ: networks.RecurrentQ(TORSO, mlp(3, 2)),
    Mapping: {},
    Callable: print,
    type: Foreign,
    Learner: Learner(
        collect_of(RECIPE) | RECIPE.prepare | learn_of(RECIPE), PARAMS, progress=False
    ),
}
"""A good value of each kind."""
GOOD = {
    ("scheme", "name"): "3cs",
    ("preset", "algorithm"): "ppo",
    ("preset", "name"): "default",
    ("preset_for", "algorithm"): "ppo",
    ("partition", "weights"): {"a": torch.zeros(1)},
    ("partition", "transformations"): {"a": optim.adam()},
    ("from_torch", "optimizer"): torch.optim.SGD,
    ("make", "env_id"): "torch/CartPole-v1",
    ("predict", "word"): "da2cs",
    ("atari", "env_id"): "ALE/Pong-v5",
}
"""Good values of arguments for which one of their kind is none."""
WRONG = (Foreign(), "x", 3, -1, 2.5, math.nan, None, True, [Foreign()])

MODULES = [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages(nappo2.__path__, "nappo2.")
    if not {"remote", "cli", "checks"} & {*found.name.split(".")}
]


def public() -> dict[str, Any]:
    """All public functions by name, and the classes and methods whose arguments people write."""
    listed = {
        f"{getattr(x, '__module__', module.__name__)}.{name}": x
        for module in [nappo2, *MODULES, nappo2.distributions]
        for name in getattr(module, "__all__", ())
        if inspect.isroutine(x := getattr(module, name)) or isinstance(x, type)
    }
    makers = {
        key: x
        for key, x in listed.items()
        if not isinstance(x, type)
        or hasattr(x.__new__, "is_maker")
        or hasattr(x.__init__, "is_maker")
    }
    methods = {f"Learner.{name}": getattr(Learner, name) for name in ("adopt", "set", "resume")}
    return makers | methods


PUBLIC = public()


def hints_of(function: Any) -> dict[str, Any]:
    """What each argument is, by its annotation."""
    owner = (
        function
        if not isinstance(function, type) or hasattr(function, "_fields")
        else function.__init__
    )
    hints = get_type_hints(inspect.unwrap(owner) if not isinstance(owner, type) else owner)
    return {name: hints[name] for name in inspect.signature(function).parameters if name in hints}


def example(hint: Any) -> Any:
    """A good value of an annotation."""
    origin, args = get_origin(hint), get_args(hint)
    if isinstance(hint, TypeVar):
        return example(hint.__constraints__[0])
    if hint in EXAMPLES:
        return EXAMPLES[hint]
    if origin in (Union, types.UnionType):
        return None if type(None) in args else example(args[0])
    if origin is collections.abc.Callable:
        num = len(args[0]) if args and args[0] is not ... else 1
        return eval(f"lambda {', '.join(f'x{i}' for i in range(num))}: x0") if num else dict
    if origin is Literal:
        return args[0]
    if origin is tuple:
        return tuple(example(one) for one in args if one is not ...)
    if origin is not None and issubclass(origin, collections.abc.Mapping):
        return {}
    if origin is not None and issubclass(origin, collections.abc.Iterable):
        return (example(args[0]),) if args else ()
    return Foreign()


def fits(hint: Any, value: Any) -> bool:
    """Whether a value is of an annotation, as anybody would say who reads it."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(fits(one, value) for one in args)
    if hint is type(None):
        return value is None
    if hint is int:
        return type(value) is int and value >= 0
    if hint is float:
        return type(value) in (int, float) and not math.isnan(value)
    if hint is str or hint is Env or hint is nappo2.schemes.Backend:
        return isinstance(value, str)
    if hint is Path:
        return isinstance(value, Path)
    if hint is bool:
        return isinstance(value, bool)
    if origin is not None and origin in (collections.abc.Sequence, collections.abc.Iterable):
        return isinstance(value, list) and (not args or args[0] is Any)
    return False


def given(function: Any, name: str, wrong: Any) -> tuple[list, dict]:
    """Arguments that are all good but one."""
    hints, args, kwargs = hints_of(function), [], {}
    short = function.__qualname__.rpartition(".")[2]
    if getattr(function, "__qualname__", "").startswith("Learner."):
        args.append(EXAMPLES[Learner])
    for parameter in inspect.signature(function).parameters.values():
        key = parameter.name
        needed = parameter.default is parameter.empty and key in hints
        if key == name or needed:
            value = GOOD.get((short, key)) if (short, key) in GOOD else example(hints[key])
            value = wrong if key == name else value
            if parameter.kind is parameter.VAR_POSITIONAL:
                args += [value] * (1 + (short == "mlp"))
            elif parameter.kind is parameter.VAR_KEYWORD:
                kwargs |= {"gamma": value} if key == name else {}
            elif parameter.kind is parameter.KEYWORD_ONLY or kwargs:
                kwargs[key] = value
            elif len(args) == list(inspect.signature(function).parameters).index(key):
                args.append(value)
            else:
                kwargs[key] = value
    return args, kwargs


ACCEPTED = {
    "look": "shows anything",
    "check_picklable": "says of anything whether it can be sent",
    "unchanged": "gives back what it is given",
    "raw_observation": "gives back what it is given",
    "action_of": "gives back what is no decision",
    "least": "is the least of values in any batch",
    "mean_value": "is the mean of values in any batch",
    "memoryless": "remembers nothing, for any number of environments",
    "join": "of a single thing gives that",
    "bits_reached": "compares whatever can be compared",
    "bits_reward": "compares whatever can be compared",
}


TAKEN = {
    ("fold_in", "data", "True"),
    ("split", "num", "True"),
    ("merge", "items", "'x'"),
    ("flattened", "rank", "True"),
    ("flattened", "rank", "-1"),
}
"""What functions that are called in steps take: True for 1, and a single item as it is."""


def wrong_arguments(function: Any) -> list[tuple[str, Any]]:
    """Each argument of a function, with each value of a wrong kind."""
    return [
        (name, wrong)
        for name, hint in hints_of(function).items()
        for wrong in WRONG
        if not fits(hint, wrong) and (function.__name__, name, repr(wrong)) not in TAKEN
    ]


def fault(function: Any, name: str, wrong: Any) -> str | None:
    """What is wrong with how a function takes a wrong argument; None if it answers well."""
    args, kwargs = given(function, name, wrong)
    try:
        function(*args, **kwargs)
    except (ValueError, NotImplementedError) as error:
        text, frames = str(error), inspect.getinnerframes(error.__traceback__)
        if "\n" in text or len(text) > 300:
            return f"is no sentence: {text}"
        if "nappo2" not in Path(frames[-1].filename).parts:
            return f"was raised in {frames[-1].filename}"
        if name not in text and "gamma" not in kwargs:
            return f"does not name it: {text}"
        shown = repr(wrong[0] if isinstance(wrong, list) else wrong)
        return None if shown in text else f"does not say what was given: {text}"
    except Exception as error:
        return f"is a {type(error).__name__}: {error}"
    return "is taken"


@pytest.mark.parametrize("key", [key for key in PUBLIC if key.rpartition(".")[2] not in ACCEPTED])
def test_arguments_of_the_wrong_kind_are_named_in_a_sentence(key, tmp_path, monkeypatch):
    """Raised by nappo2 itself, with the name of the argument and what was given, whatever it is."""
    monkeypatch.chdir(tmp_path)
    function = PUBLIC[key]
    answers = {(name, repr(x)): fault(function, name, x) for name, x in wrong_arguments(function)}
    assert {case: bad for case, bad in answers.items() if bad} == {}


def test_there_are_as_many_functions_arguments_and_wrong_values_as_the_public_names_have():
    """Should the list above become empty, or short, nothing would be tested."""
    arguments = {(key, name) for key, x in PUBLIC.items() for name, _ in wrong_arguments(x)}
    assert len(PUBLIC) > 200 and len(arguments) > 650


@pytest.mark.parametrize("key", [key for key, x in PUBLIC.items() if hasattr(x, "is_maker")])
def test_a_misspelt_argument_is_named_with_the_one_that_is_meant(key):
    """Of each argument of five letters or more the third is left out."""
    function = PUBLIC[key]
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters) or hasattr(function, "dispatch"):
        return  # which take any name, or no names
    for name in [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL and len(p.name) > 4]:
        with pytest.raises((ValueError, TypeError), match=f"did you mean {name}"):
            function(**{name[:2] + name[3:]: 3})


def test_a_hyper_parameter_that_is_given_to_a_recipe_is_named_as_one_of_its_configuration():
    env = nappo2.envs.cartpole(1)
    for name, meant in (("gamma", "gamma"), ("lr", "learning_rate")):
        with pytest.raises(
            ValueError, match=rf"the configuration: ppo\(env, PPO\({meant}=\.\.\.\)\)"
        ):
            nappo2.ppo(env, **{name: 0.9})


@pytest.mark.parametrize("config", [nappo2.SAC, nappo2.TQC, nappo2.CrossQ, nappo2.GsdeSAC])
def test_an_entropy_that_no_policy_has_is_no_target(config):
    """Uniform actions have the most, log 2 = 0.693 each: towards more, a temperature grows for ever."""
    assert config(target_entropy_share=-0.69).target_entropy_share == -0.69
    with pytest.raises(ValueError, match=r"target_entropy_share is above -0\.693147, not -0\.7"):
        config(target_entropy_share=-0.7)


@pytest.mark.parametrize(
    ("config", "theirs", "ours"),
    [
        (nappo2.GsdePPO, "log_std_init", "initial_log_std"),
        (nappo2.PPO, "n_steps", "num_steps"),
        (nappo2.PPO, "ent_coef", "entropy_coef"),
        (nappo2.PPO, "lr", "learning_rate"),
        (nappo2.PPO, "clip_range", "clip_eps"),
        (nappo2.A2C, "vf_coef", "value_coef"),
        (nappo2.SAC, "tau", "target_step_size"),
        (nappo2.SAC, "buffer_size", "capacity"),
        (nappo2.TD3, "learning_starts", "start_steps"),
    ],
)
def test_names_of_other_libraries_are_translated(config, theirs, ours):
    with pytest.raises(ValueError, match=f"has no argument '{theirs}'; did you mean {ours}?"):
        config(**{theirs: 1})
    with pytest.raises(TypeError):  # as Python has it
        config(**{theirs: 1})
