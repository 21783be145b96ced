"""Checks of arguments against annotations, once, where something is made.

``checked`` holds each call of a public function, and each making of a public class, to its
annotations and to ``RANGES``. What does not fit is refused in one sentence at that call, which names
the argument, what is right and what was given. Nothing is checked within a step: functions that are
called there are not decorated.
"""

import collections.abc
import inspect
import math
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from difflib import get_close_matches
from functools import cache, wraps
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from tensordict import TensorDict
from torch import Tensor


class Range(NamedTuple):
    """Bounds of a number.

    Attributes:
        low: the lowest.
        high: the highest.
        above: whether ``low`` itself is out.
        finite: whether infinity is out.
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    finite: bool = True

    def holds(self, value: float) -> bool:
        """Whether a number is within these bounds; no number that is NaN is."""
        inside = self.low < value if self.above else self.low <= value
        return inside and value <= self.high and not (self.finite and math.isinf(value))

    def __str__(self):
        if self.low == -math.inf:
            return "a finite number" if self.finite else "a number"
        if self.high < math.inf:
            between = "above {:g} and at most {:g}" if self.above else "within {:g} and {:g}"
            return between.format(self.low, self.high)
        return f"above {self.low:g}" if self.above else f"at least {self.low:g}"


FRACTION, POSITIVE, NOT_NEGATIVE = Range(0, 1), Range(0, above=True), Range(0)
RANGES = {
    **dict.fromkeys(("gamma", "lambda_", "epsilon", "discrete_entropy_share"), FRACTION),
    **dict.fromkeys(("b1", "b2", "decay", "momentum"), FRACTION),
    **dict.fromkeys(("alpha", "beta", "eps"), NOT_NEGATIVE),
    **dict.fromkeys(
        ("learning_rate", "clip_eps", "update_ratio", "initial_alpha", "target_kl"), POSITIVE
    ),
    **dict.fromkeys(("adam_eps", "rmsprop_eps", "max_megabytes"), POSITIVE),
    **dict.fromkeys(("target_step_size", "step_size"), Range(0, 1, above=True)),
    **dict.fromkeys(
        ("value_coef", "entropy_coef", "weight_decay", "num_cpus", "num_gpus"), NOT_NEGATIVE
    ),
    **dict.fromkeys(("noise_std", "noise_limit", "exploration_std", "std"), NOT_NEGATIVE),
    **dict.fromkeys(
        ("max_grad_norm", "max_norm", "clip_rho", "clip_c"), POSITIVE._replace(finite=False)
    ),
    **dict.fromkeys(("limit", "mean_limit"), POSITIVE._replace(finite=False)),
    **dict.fromkeys(("deadline", "group_deadline"), POSITIVE._replace(finite=False)),
    **dict.fromkeys(
        ("burn_in", "start_steps", "anneal_updates", "exploration_updates"), NOT_NEGATIVE
    ),
    **dict.fromkeys(("seed", "ahead", "padding", "noop_max", "rank", "max_restarts"), NOT_NEGATIVE),
    **dict.fromkeys(("seconds", "data", "indices", "parts", "skip"), NOT_NEGATIVE),
    "share": Range(0, 0.5, above=True),
}
"""What numbers of a name may be, wherever they are arguments.

Other integers are at least 1, or at least 0 where that is the default.
"""

WORDS = {
    "Env": "an Env, as envs.make('CartPole-v1') makes one",
    "Policy": "a Policy, as stochastic(actor, dist) makes one",
    "Transform": "a transform, as gae(agent) or map_items(fn) makes one",
    "Pipeline": "a pipeline, as collect(env, policy, num_steps) begins one",
    "Recipe": "a recipe, as ppo(env) makes one",
    "Network": "a Network, as mlp(4, 64, 2) makes one",
    "Agent": "an actor and a critic with the answers of networks.Agent, as actor_critic makes one",
    "ActorCritic": "an ActorCritic, as actor_critic(actor, critic) makes one",
    "ActorCritics": "an ActorCritics, as networks.actor_critics(actor, critic) makes one",
    "RecurrentActorCritic": "a RecurrentActorCritic, as networks.recurrent_actor_critic makes one",
    "RecurrentQ": "a RecurrentQ, as networks.RecurrentQ(cell, head) is one",
    "Cell": "a Cell, as networks.gru(inputs, size) makes one",
    "Distribution": "a Distribution, as distributions.categorical() makes one",
    "GradientTransformation": "a GradientTransformation, as optim.adam() makes one",
    "Backend": "a Backend, as serial or on_ray() is one",
    "Tensor": "a torch.Tensor",
    "TensorDict": "a TensorDict",
    "Space": "a space of Gymnasium",
    "Generator": "a torch.Generator",
    "str": "a text",
    "bool": "True or False",
    "NoneType": "None",
}
"""What something of a class is, for people."""


class CallError(ValueError, TypeError):
    """Arguments that a function does not have, or lacks: a TypeError of Python's, in a sentence."""


class Refusal(Exception):
    """Raised by a check: what would be right, in place of what, and where in the value that is."""

    def __init__(self, right: str, value: Any, where: str = ""):
        self.right, self.value, self.where = right, value, where


Check = Callable[[Any], Any]
"""``value -> value``, as the function takes it; raises ``Refusal``."""


def checked(make: Callable) -> Callable:
    """``make``, a function or a class, whose arguments are held to their annotations when it is called.

    Raises:
        ValueError: in a call; names the argument, what is right and what was given.
    """
    if isinstance(make, type):
        name = "__new__" if hasattr(make, "_fields") else "__init__"
        setattr(make, name, _checked(getattr(make, name), binder(getattr(make, name), make)))
        return make
    return _checked(make, binder(make))


def _checked(make: Callable, bind: Callable) -> Callable:
    @wraps(make)
    def call(*args, **kwargs):
        bound = bind(*args, **kwargs)
        return make(*bound.args, **bound.kwargs)

    call.is_maker = True
    return call


def explained(function: Callable) -> Callable:
    """``function``, called within steps, whose arguments are looked at only if it fails.

    Raises:
        ValueError: if it fails, and an argument is not what its annotation says.
    """
    bind = binder(function)

    @wraps(function)
    def call(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except Exception:
            bind(*args, **kwargs)
            raise

    return call


def binder(make: Callable, owner: type | None = None) -> Callable[..., inspect.BoundArguments]:
    """``(*args, **kwargs) -> arguments`` of ``make`` by name, checked; of a class, its ``owner``."""
    signature = inspect.signature(make)
    name = owner.__name__ if owner else make.__qualname__.removesuffix(".__init__")
    own = [p for i, p in enumerate(signature.parameters.values()) if i or not _is_self(p)]

    @cache
    def checks() -> dict[str, Check]:  # when it is called first, as annotations may look ahead
        hints = get_type_hints(owner if hasattr(owner, "_fields") else make)
        return {p.name: check_of(hints[p.name], p.name, p.default) for p in own if p.name in hints}

    def bind(*args, **kwargs):
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise CallError(misfit(name, own, kwargs, error)) from None
        for parameter in own:
            if parameter.name in bound.arguments and parameter.name in checks():
                bound.arguments[parameter.name] = _taken(
                    parameter, checks()[parameter.name], bound.arguments[parameter.name]
                )
        return bound

    return bind


def _is_self(parameter: inspect.Parameter) -> bool:
    return parameter.name in ("self", "_cls")


def _taken(parameter: inspect.Parameter, check: Check, value: Any) -> Any:
    """A value, or the values of ``*args`` and ``**kwargs``, as they are taken."""
    name = parameter.name
    if parameter.kind is parameter.VAR_POSITIONAL:
        return tuple(take(f"{name}[{i}]", check, x) for i, x in enumerate(value))
    if parameter.kind is parameter.VAR_KEYWORD:
        return {key: take(key, check, x) for key, x in value.items()}
    return value if value is parameter.default else take(name, check, value)


def take(name: str, check: Check, value: Any) -> Any:
    """The value of an argument as it is taken.

    Raises:
        ValueError: names the argument, what is right and what was given.
    """
    try:
        return check(value)
    except Refusal as no:
        raise ValueError(f"{name}{no.where} is {no.right}, not {shown(no.value)}") from None


def check_of(hint: Any, name: str, default: Any = None) -> Check:
    """The check of an annotation, for an argument of this name and default."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any or hint is object or hint is inspect.Parameter.empty:
        return lambda value: value
    if origin in (Union, types.UnionType):
        texts_first = sorted(
            args, key=lambda one: one is not str
        )  # they may stand for what follows
        return _any_of([check_of(one, name, default) for one in texts_first])
    if isinstance(hint, TypeVar) and hint.__constraints__:
        return _any_of([check_of(one, name, default) for one in hint.__constraints__])
    if origin is Literal:
        return _one_of(args)
    if hint is TensorDict and name == "params":
        return _params
    if hint is int or hint is float:
        return _number(hint, name, default)
    if origin is collections.abc.Callable or hint in (Callable, collections.abc.Callable):
        return _function(args)
    if origin is tuple and args:
        return _tuple(args, name)
    if origin is not None and issubclass(origin, collections.abc.Mapping):
        return _mapping
    if origin is not None and issubclass(origin, collections.abc.Iterable):
        return _several(origin, args, name)
    if origin is type:
        return _instance(type)
    return _instance(hint) if isinstance(hint, type) else lambda value: value


def _any_of(checks: Sequence[Check]) -> Check:
    def check(value):
        refusals = []
        for one in checks:
            try:
                return one(value)
            except Refusal as no:
                refusals.append(no)
        for no in refusals:
            if no.where:  # what is in it is wrong, and not what it is
                raise no
        right = list(dict.fromkeys(no.right for no in refusals if no.right != "None"))
        raise Refusal((", or " if "," in "".join(right) else " or ").join(right), value)

    return check


def _one_of(values: Sequence[Any]) -> Check:
    def check(value):
        if value not in values:
            raise Refusal(" or ".join(map(repr, values)), value)
        return value

    return check


def _number(kind: type, name: str, default: Any) -> Check:
    bounds = RANGES.get(name, Range(int(default != 0)) if kind is int else Range())
    wanted, words = (Integral, f"an integer of {bounds}") if kind is int else (Real, "a number")

    def check(value):
        is_number = isinstance(value, wanted) and not isinstance(value, bool)
        if not is_number or (kind is int and not bounds.holds(value)):
            raise Refusal(words, value)
        if not bounds.holds(value):
            raise Refusal("a finite number" if math.isinf(value) else str(bounds), value)
        return value

    return check


def _function(args: tuple) -> Check:
    """Of functions, that can be called with as many arguments, if it is known how many."""
    inputs = args[0] if args and args[0] is not ... else None
    words = "a function" if inputs is None else f"a function of {_counted(len(inputs))}"

    def check(value):
        fits = callable(value)
        if fits and inputs is not None:
            fits = takes(value, len(inputs)) and not _makes_another(value, args[1])
        if not fits:
            raise Refusal(words, value)
        return value

    return check


def _makes_another(function: Callable, result: Any) -> bool:
    """Whether it makes what is wanted, as ``losses.ppo`` does a loss, and so has to be called first."""
    return hasattr(function, "is_maker") and get_type_hints(function).get("return") != result


def _counted(num: int) -> str:
    return f"{num} arguments" if num != 1 else "one argument"


def takes(function: Callable, num: int) -> bool:
    """Whether a function can be called with so many arguments, as far as it tells."""
    try:
        inspect.signature(function).bind(*[None] * num)
    except TypeError:
        return False
    except ValueError:  # one of C, which tells nothing
        return True
    return True


def _tuple(args: tuple, name: str) -> Check:
    """Of tuples, and lists, which are taken as tuples."""
    endless = len(args) == 2 and args[1] is ...
    checks = [check_of(one, name) for one in args if one is not ...]
    words = "a tuple, such as (64, 64)" if args[0] is int else "a tuple"
    words = words if endless else f"a tuple of {len(checks)}"

    def check(value):
        if not isinstance(value, (tuple, list)) or not (endless or len(value) == len(checks)):
            raise Refusal(words, value)
        each = checks * len(value) if endless else checks
        taken = tuple(_inner(i, one, x) for i, (one, x) in enumerate(zip(each, value, strict=True)))
        return value if isinstance(value, tuple) else taken

    return check


def _inner(where: Any, check: Check, value: Any) -> Any:
    try:
        return check(value)
    except Refusal as no:
        raise Refusal(no.right, no.value, f"[{where!r}]{no.where}") from None


def _several(kind: type, args: tuple, name: str) -> Check:
    """Of sequences and other iterables, but no text."""
    one = check_of(args[0], name) if args else lambda value: value

    def check(value):
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, kind):
            raise Refusal("several, in a tuple or a list", value)
        for i, x in enumerate(value if isinstance(value, (tuple, list)) else ()):
            _inner(i, one, x)
        return value

    return check


def _mapping(value: Any) -> Any:
    if not isinstance(value, Mapping) and not (hasattr(value, "keys") and hasattr(value, "items")):
        raise Refusal("a mapping, such as a dictionary", value)
    return value


def _instance(kind: type) -> Check:
    """Of a class, by its name or its fields too, as one that was reloaded in a notebook is another.

    A class may say by ``of`` what else stands for one of it.
    """
    understood = getattr(kind, "of", None)

    def check(value):
        value = understood(value) if understood else value
        if not is_a(value, kind):
            raise Refusal(words_of(kind), value)
        return value

    return check


def _params(value: Any) -> Any:
    """Of params, or what has some, as a Learner and a run on disk have."""
    params = _params_of(value)
    if not is_a(params, TensorDict) or not {"weights", "version", "hyper"} <= set(params.keys()):
        raise Refusal("a TensorDict of weights, hyper and version, as stages.init makes it", value)
    return params


def _params_of(value: Any) -> Any:
    params = None if isinstance(value, TensorDict) else getattr(value, "params", None)
    return params if isinstance(params, TensorDict) else value


def is_a(value: Any, kind: type) -> bool:
    """Whether a value is of a class, or of one of the same name or fields."""
    if isinstance(value, kind) or (kind is bool and type(value).__name__ == "bool"):
        return True
    if getattr(kind, "_fields", None) and getattr(value, "_fields", None) == kind._fields:
        return True
    return any(
        (getattr(base, "__module__", None), base.__qualname__)
        == (kind.__module__, kind.__qualname__)
        for base in type(value).__mro__
    )


def words_of(kind: type) -> str:
    """What something of a class is."""
    name = kind.__name__
    made = f", as {name}(...) makes one" if is_dataclass(kind) else ""
    return WORDS.get(name) or f"{article(name)} {name}{made}"


def shown(value: Any) -> str:
    """A value in a sentence: as it is written, if that is short."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if inspect.isroutine(value):
        return f"the function {value.__name__}"
    if isinstance(value, Tensor):
        return f"a Tensor of shape {tuple(value.shape)}"
    if isinstance(value, TensorDict):
        return f"a TensorDict of {', '.join(map(str, value.keys())) or 'nothing'}"
    text = repr(value)
    if len(text) <= 80 and "\n" not in text:
        return text
    return f"{article(type(value).__name__)} {type(value).__name__}"


def article(noun: str) -> str:
    """Which of a and an stands before a noun."""
    return "an" if noun[:1].lower() in "aeiou" else "a"


def misfit(
    name: str, parameters: Sequence[inspect.Parameter], kwargs: Mapping, error: TypeError
) -> str:
    """What is wrong with the names or the number of the arguments of a call."""
    names = [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL]
    unknown = [key for key in kwargs if key not in names]
    if not unknown or any(p.kind is p.VAR_KEYWORD for p in parameters):
        return f"{name}({', '.join(names)}): {error}"
    meant = nearest(unknown[0], names)
    known = f"did you mean {meant}?" if meant else f"there are {', '.join(names) or 'none'}"
    return f"{name} has no argument {unknown[0]!r}; {known}"


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
    **{"gae_lambda": "lambda_", "tensorboard_log": "tensorboard", "verbose": "progress"},
}
"""What other libraries call the same, wholly or as a part of a name."""


def suggestion(name: Any, known: Iterable[str]) -> str:
    """Which names there are in place of an unknown one, and the one that is meant."""
    meant = nearest(name, known)
    return ", ".join(known) + (f"; did you mean {meant!r}?" if meant else "")


def nearest(name: Any, known: Iterable[str]) -> str | None:
    """Which of the known names is meant by another one; None if it is like none of them."""
    if SYNONYMS.get(name) in known:
        return SYNONYMS[name]
    for sense in (str, _translated, _sorted):
        names = {sense(one): one for one in known}
        near = get_close_matches(sense(str(name)), names, 1, 0.7)
        if near:
            return names[near[0]]
    return None


def _translated(name: str) -> str:
    """A name, each part of it in the words of nappo2."""
    return "_".join(SYNONYMS.get(part, part) for part in name.strip("_").split("_"))


def _sorted(name: str) -> str:
    """A name in the words of nappo2, in order of the alphabet."""
    return "_".join(sorted(_translated(name).split("_")))
