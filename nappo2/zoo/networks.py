"""Hidden layers and first weights of rl-zoo3's policies."""

from collections.abc import Callable
from typing import Any

from nappo2.zoo.entry import Entry, Misfit, Rule, number_in, only

ARCH, ACTIVATION = "policy_kwargs.net_arch", "policy_kwargs.activation_fn"
OPTIMIZER, OPTIMIZER_KWARGS = "policy_kwargs.optimizer_class", "policy_kwargs.optimizer_kwargs"
IMAGES = "CnnPolicy"
POLICIES = ("MlpPolicy", IMAGES, "MultiInputPolicy")
FEATURES = 512  # behind convolutions
HERE = "networks of one's own are arguments of a recipe"

COMMON = (
    only("policy", *POLICIES, reason=HERE),
    only("policy_kwargs.features_extractor_class", None, reason=HERE),
    only("policy_kwargs.features_extractor_kwargs", None, reason=HERE),
    only("policy_kwargs.normalize_images", True, reason="images are always scaled to [0, 1] here"),
)
"""Checks of all policies."""


def layers(
    critic: str, default: tuple[int, ...], of_images: tuple[int, ...], part: str = ""
) -> Rule:
    """The sizes of hidden layers, of ``net_arch``.

    Args:
        critic: the name of the critic's layers in ``net_arch``, such as "vf".
        default: without net_arch.
        of_images: without net_arch, behind convolutions.
        part: whose layers these are; "" where actor and critic have the same ones.

    Returns:
        The rule.

    Raises:
        Misfit: in the rule, if they are no sizes, or actor and critic would have to differ.
    """

    def value(entry: Entry) -> tuple[int, ...]:
        is_images = entry["policy"] == IMAGES
        found = _arch(entry[ARCH], critic)
        if found is not None and not part and found["pi"] != found[critic]:
            raise Misfit(ARCH, "actor and critic have hidden layers of the same sizes here")
        sizes = (of_images if is_images else default) if found is None else found[part or "pi"]
        return (FEATURES, *sizes) if is_images else tuple(sizes)

    return Rule((ARCH, "policy"), value)


def _arch(given: Any, critic: str) -> dict[str, tuple[int, ...]] | None:
    """The sizes of an actor and a critic; None for the default."""
    if isinstance(given, list) and len(given) == 1 and isinstance(given[0], dict):
        given = given[0]  # as in older versions
    if given is None:
        return None
    found = given if isinstance(given, dict) else {"pi": given, critic: given}
    if set(found) != {"pi", critic} or not all(map(_are_sizes, found.values())):
        raise Misfit(ARCH, f"it is sizes of layers, or a dict of pi and {critic}, not {given!r}")
    return {name: tuple(sizes) for name, sizes in found.items()}


def _are_sizes(given: Any) -> bool:
    return isinstance(given, list) and all(type(x) is int and x > 0 for x in given)


def is_relu() -> Rule:
    """Whether the activation is ReLU rather than tanh.

    Raises:
        Misfit: in the rule, if it is another.
    """

    def value(entry: Entry) -> bool:
        name = str(entry[ACTIVATION]).rpartition(".")[2]
        if name not in ("ReLU", "Tanh"):
            raise Misfit(ACTIVATION, f"layers have ReLU or tanh here, not {name}")
        return name == "ReLU"

    return Rule((ACTIVATION,), value)


def needs_relu() -> Rule:
    """A check that the activation is ReLU.

    Raises:
        Misfit: in the rule, if it is another.
    """

    def value(entry: Entry) -> None:
        if str(entry[ACTIVATION]).rpartition(".")[2] != "ReLU":
            raise Misfit(ACTIVATION, "off-policy recipes have ReLU here")

    return Rule((ACTIVATION,), value)


def optimizer_named(name: str, reason: str) -> Rule:
    """A check of the class of the optimiser.

    Args:
        name: of the class.
        reason: why no other one fits.

    Raises:
        Misfit: in the rule, if it is of another class.
    """

    def value(entry: Entry) -> None:
        if str(entry[OPTIMIZER]).rpartition(".")[2] != name:
            raise Misfit(OPTIMIZER, reason)

    return Rule((OPTIMIZER,), value)


def epsilon(default: Callable[[Entry], float]) -> Rule:
    """The epsilon of the optimiser, the only of ``optimizer_kwargs`` that fits.

    Args:
        default: ``entry -> epsilon`` without one.

    Raises:
        Misfit: in the rule, if there are other options.
    """

    def value(entry: Entry) -> float:
        given = entry[OPTIMIZER_KWARGS] or {}
        if not isinstance(given, dict) or set(given) - {"eps"}:
            raise Misfit(OPTIMIZER_KWARGS, f"eps alone is an option here, not {given!r}")
        if not given:
            return default(entry)
        return number_in(Entry(entry.env_id, {OPTIMIZER_KWARGS: given["eps"]}), OPTIMIZER_KWARGS)

    return Rule((OPTIMIZER_KWARGS,), value)
