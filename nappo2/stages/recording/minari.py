"""Datasets of Minari, which is an extra: https://minari.farama.org."""

from typing import Any

from tensordict import TensorDict

from nappo2.checks import checked, installs
from nappo2.envs import Env
from nappo2.stages.recording.datasets import dataset


@checked
def from_minari(data: Any, env: Env) -> TensorDict:
    """The dataset of a dataset of Minari: its episodes, as the environment batches and scales them.

    Args:
        data: the id of a dataset that is on this machine, such as ``"mujoco/hopper/medium-v0"``, or
            anything with ``iterate_episodes()`` that has the episodes of Minari.
        env: of the dataset: ``envs.from_gym(data.recover_environment)``.

    Returns:
        Transitions [N], on the CPU.

    Raises:
        ImportError: for an id without minari; says how to install it.
        ValueError: if the episodes are not of the environment's spaces.
        NotImplementedError: for actions of other spaces than arrays.
    """
    if isinstance(data, str):
        data = _loaded(data)
    return dataset([_columns(episode) for episode in data.iterate_episodes()], env)


def _loaded(name: str) -> Any:
    try:
        import minari
    except ImportError as error:
        raise ImportError(f"datasets of Minari need minari: {installs('minari')}") from error
    return minari.load_dataset(name)


def _columns(episode: Any) -> dict[str, Any]:
    return {
        "observation": episode.observations,
        "action": episode.actions,
        "reward": episode.rewards,
        "terminated": episode.terminations,
    }
