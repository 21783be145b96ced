"""Nappo's training schemes, as cuts of one pipeline.

3cs     collect | gradients | update          everything central, as PPO and SAC were published
"""

from nappo2.pipeline import Pipeline
from nappo2.schemes.stages import Stages


def centralised(stages: Stages) -> Pipeline:
    """3cs: collection, gradients and update in one process, one after the other."""
    return stages.collect | stages.prepare | stages.learn


SCHEMES = {"3cs": centralised}


def scheme(name: str, stages: Stages) -> Pipeline:
    """The named scheme of a recipe's stages.

    Raises:
        ValueError: if there is no such scheme.
    """
    if name not in SCHEMES:
        raise ValueError(f"no scheme is called {name!r}; there is {', '.join(SCHEMES)}")
    if not isinstance(stages, Stages):
        raise ValueError(f"a scheme cuts the Stages that a recipe, such as ppo(env), makes, not {stages!r}")
    return SCHEMES[name](stages)
