"""Targets that follow the weights."""

from tensordict import TensorDict

from nappo2.params import ravel, replaced
from nappo2.pipeline import Transform, stage, stateless


@stage
def polyak(step_size: float, skip: int = 0) -> Transform:
    """Moves ``params["target"]`` towards the weights of the same names (Polyak & Juditsky, 1992).

    As ``optax.incremental_update``: a step of 0.005 is the original's ``polyak=0.995``. Before each
    movement ``skip`` updates pass without one.

    Raises:
        ValueError: if ``step_size`` is not above 0 and at most 1, or ``skip`` not at least 0.
    """
    if not 0 < step_size <= 1:
        raise ValueError(f"step_size is above 0 and at most 1, not {step_size}")

    def fn(_, params):
        if params["version"] % (skip + 1):
            return params
        target, unravel = ravel(params["target"])
        online, _ = ravel({name: params["weights"][name] for name in params["target"].keys()})
        return replaced(params, target=TensorDict(unravel(target.lerp(online, step_size))))

    return stateless(fn)
