"""Words of error messages: values, classes and names of arguments in a sentence."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any

import gymnasium
from tensordict import TensorDict
from torch import Tensor

WORDS = {
    "Env": "an Env, as envs.make('CartPole-v1') makes one, or envs.make(MyEnv) of a class of Gymnasium",
    "Policy": "a Policy, as stochastic(actor, dist) makes one",
    "Transform": "a transform, as gae(agent) or map_items(fn) makes one",
    "Pipeline": "a pipeline, as scheme('3cs', recipe) makes one",
    "Recipe": "a recipe, as ppo(env) makes one",
    "Network": "a Network, as mlp(4, 64, 2) makes one",
    "Agent": "an actor and a critic with the answers of networks.Agent, as actor_critic makes one",
    "ActorCritic": "an ActorCritic, as actor_critic makes one",
    "ActorCritics": "an ActorCritics, as networks.actor_critics makes one",
    "RecurrentActorCritic": "a RecurrentActorCritic, as networks.recurrent_actor_critic makes one",
    "RecurrentQ": "a RecurrentQ, as networks.RecurrentQ(cell, head) is one",
    "Cell": "a Cell, as networks.gru(inputs, size) makes one",
    "Distribution": "a Distribution, as distributions.categorical() makes one",
    "GradientTransformation": "a GradientTransformation, as optim.adam() makes one",
    "Backend": "a Backend, as serial or on_ray() is one",
    "Until": "an Until, as until(episode_return=475) makes one",
    "Between": "a Between, as between(2, 16) makes one",
    "Beside": "a Beside, as beside(test) makes one",
    "Tensor": "a torch.Tensor",
    "TensorDict": "a TensorDict",
    "Space": "a space of Gymnasium",
    "Generator": "a torch.Generator",
    "dtype": "a torch.dtype, as torch.float32 is one",
    "str": "a text",
    "bool": "True or False",
    "NoneType": "None",
}
"""An instance of a class, in words, by the name of the class."""


def words_of(kind: type) -> str:
    """An instance of a class, in words."""
    name = kind.__name__
    made = f", as {name}(...) makes one" if is_dataclass(kind) else ""
    return WORDS.get(name) or f"{article(name)} {name}{made}"


def shown(value: Any) -> str:
    """A value, in words: as it is written, if that is short."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if inspect.isroutine(value):
        return f"the function {value.__name__}"
    if isinstance(value, Tensor):
        return f"a Tensor of shape {tuple(value.shape)}"
    if isinstance(value, TensorDict):
        return f"a TensorDict of {', '.join(map(str, value.keys())) or 'nothing'}"
    if isinstance(value, gymnasium.Env):
        made = "of the function that made it"
        return f"an environment that is made already; envs.make(function, 8), {made}, makes 8 of it"
    text = repr(value)
    if len(text) <= 80 and "\n" not in text:
        return text
    return f"{article(type(value).__name__)} {type(value).__name__}"


def article(noun: str) -> str:
    """The article of a noun: a or an."""
    return "an" if noun[:1].lower() in "aeiou" else "a"


def misfit(
    name: str, parameters: Sequence[inspect.Parameter], kwargs: Mapping, error: TypeError
) -> str:
    """A sentence about a call whose arguments have wrong names or a wrong number.

    Args:
        name: of the function.
        parameters: of the function.
        kwargs: keyword arguments of the call.
        error: Python's own.

    Returns:
        The sentence, with the name that was probably meant.
    """
    names = [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL]
    unknown = [key for key in kwargs if key not in names]
    if not unknown or any(p.kind is p.VAR_KEYWORD for p in parameters):
        return f"{name}({', '.join(names)}): {error}"
    if text := _of_config(name, unknown[0], parameters):
        return f"{name} has no argument {unknown[0]!r}; {text}"
    meant = nearest(unknown[0], names)
    known = f"did you mean {meant}?" if meant else f"there are {', '.join(names) or 'none'}"
    return f"{name} has no argument {unknown[0]!r}; {known}"


def _of_config(function: str, name: str, parameters: Sequence[inspect.Parameter]) -> str | None:
    """A sentence that says which configuration has a field of this name; None if there is none."""
    for config in (p.default for p in parameters if is_dataclass(p.default)):
        known = [each.name for each in fields(config)]
        meant = name if name in known else SYNONYMS.get(name)
        if meant in known:
            made = f"{type(config).__name__}({meant}=...)"
            return f"{meant} is a field of the configuration: {function}(env, {made})"
    return None


SYNONYMS = {
    **{
        "n": "num",
        "ent": "entropy",
        "vf": "value",
        "clip_range": "clip_eps",
        "lr": "learning_rate",
    },
    **{"tau": "target_step_size", "buffer_size": "capacity", "learning_starts": "start_steps"},
    **{"total_timesteps": "target_steps", "net_arch": "hidden", "init": "initial"},
    **{"gae_lambda": "lambda_", "verbose": "progress"},
    **{"tensorboard_log": "loggers", "tensorboard": "loggers"},
}
"""Names of other libraries, whole or parts of a name, and nappo2's names of the same."""


def suggestion(name: Any, known: Iterable[str]) -> str:
    """The known names, and the one that an unknown name probably means."""
    meant = nearest(name, known)
    return ", ".join(known) + (f"; did you mean {meant!r}?" if meant else "")


def nearest(name: Any, known: Iterable[str]) -> str | None:
    """The known name that another one probably means; None if it is like none of them."""
    if SYNONYMS.get(name) in known:
        return SYNONYMS[name]
    for translate in (str, _translated, _sorted):
        names = {translate(x): x for x in known}
        close = get_close_matches(translate(str(name)), names, 1, 0.7)
        if close:
            return names[close[0]]
    return None


def _translated(name: str) -> str:
    """A name, with each part in the words of nappo2."""
    return "_".join(SYNONYMS.get(part, part) for part in name.strip("_").split("_"))


def _sorted(name: str) -> str:
    """A name in the words of nappo2, with its parts in order of the alphabet."""
    return "_".join(sorted(_translated(name).split("_")))
