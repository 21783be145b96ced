"""How a pipeline goes on from the state of another one."""

from typing import Any

from nappo2.checks import checked, takes
from nappo2.machine.closing import close_each
from nappo2.machine.live_objects import simulators
from nappo2.params import Params
from nappo2.pipeline.types import Pipeline
from nappo2.saving.snapshots import PreviousStates, adopted, is_cut


@checked
def adopt(pipeline: Pipeline, state: dict[str, Any], params: Params, seed: int) -> dict[str, Any]:
    """The state in which ``pipeline`` goes on from ``state``, which is consumed.

    Keeps the states of stages that have the same name and structure, and initialises the others.
    A cut that fits keeps its workers, which adopt what stands left of it; other workers are asked
    for their states, and ended. Simulators that are not kept are closed.

    Args:
        pipeline: the one that goes on.
        state: of another pipeline.
        params: with which stages begin that find no state.
        seed: of these stages.

    Returns:
        The state of ``pipeline``.

    Example:
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
        >>> old, new = scheme("3cs", recipe), scheme("3cs", recipe.replace(num_steps=16))
        >>> params = recipe.init(0)
        >>> state, params, _ = old.step(params, old.init(params, 0))
        >>> state = adopt(new, state, params, seed=0)      # the episodes go on
        >>> int(new.step(params, state)[2].sums["env_steps"])
        64
    """
    state = {
        name: x.end() if is_cut(x) and not x.fits(pipeline) else x for name, x in state.items()
    }
    before = [x for old in state.values() if not hasattr(old, "fits") for x in simulators(old)]
    adopted_state = init_from(pipeline, params, seed, PreviousStates(state))
    in_use = {id(simulator) for simulator in simulators(adopted_state)}
    close_each(simulator for simulator in before if id(simulator) not in in_use)
    return adopted_state


def init_from(
    pipeline: Pipeline, params: Params, seed: int, previous: PreviousStates
) -> dict[str, Any]:
    """The first state of a pipeline whose stages go on from ``previous``.

    Args:
        pipeline: one that was put together by hand, whose ``init`` has no third argument, takes
            states by their names.
        params: with which stages begin that find no state.
        seed: of these stages.
        previous: states of another pipeline.

    Returns:
        The state of ``pipeline``.
    """
    if takes(pipeline.init, 3):
        return pipeline.init(params, seed, previous)
    state = pipeline.init(params, seed)
    return {name: adopted(None, name, value, previous)[0] for name, value in state.items()}
