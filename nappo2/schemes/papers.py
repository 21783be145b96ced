"""Where training schemes come from: the papers that have one of them, by its word."""

from collections.abc import Mapping
from typing import NamedTuple


class Paper(NamedTuple):
    """A paper that has a scheme.

    Attributes:
        name: of the algorithm or library in it.
        link: to the paper.
    """

    name: str
    link: str


def _arxiv(name: str, number: str) -> Paper:
    return Paper(name, f"https://arxiv.org/abs/{number}")


IMPALA = _arxiv("IMPALA", "1802.01561")

PAPERS: Mapping[str, tuple[Paper, ...]] = {
    "3cs": (_arxiv("PPO", "1707.06347"), _arxiv("SAC", "1801.01290")),
    "3ds": (_arxiv("DD-PPO", "1911.00357"),),
    "2dacs": (
        _arxiv("DPPO", "1707.02286"),
        _arxiv("synchronous SGD with backup workers", "1604.00981"),
    ),
    "2daca": (_arxiv("A3C", "1602.01783"),),
    "ds2cs": (
        _arxiv("PAAC", "1705.04862"),
        _arxiv("RLlib's PPO", "1712.09381"),
        Paper("Stable-Baselines3", "https://jmlr.org/papers/v22/20-1364.html"),
    ),
    "da2cs": (IMPALA, _arxiv("Ape-X", "1803.00933")),
    "da2ds": (IMPALA._replace(name="IMPALA with several learners"),),
    "dadacs": (_arxiv("Rapid, of OpenAI Five", "1912.06680"),),
    "dadaca": (_arxiv("Gorila", "1507.04296"),),
}
"""The papers of the words that have a name in the literature; the other words are nappo2's."""
