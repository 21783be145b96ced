"""When a trial is given up: functions of a budget that make pruners of Optuna, which see its rungs."""

from collections.abc import Callable
from typing import Any, TypeAlias

from nappo2.checks import checked
from nappo2.search.jobs import Budget

Pruning: TypeAlias = Callable[[Budget], Any]
"""``budget -> pruner`` of Optuna."""


@checked
def median(budget: Budget) -> Any:
    """Prunes a trial whose best score is below the median of earlier trials at the same rung.

    Example:
        >>> from nappo2.search import Budget, median
        >>> type(median(Budget())).__name__  # of Optuna; search(..., pruning=median) makes it
        'MedianPruner'
    """
    import optuna

    return optuna.pruners.MedianPruner(n_startup_trials=5)


@checked
def successive_halving(budget: Budget) -> Any:
    """Prunes all but the best third at each of the rungs 1, 3, 9, ...

    It is asynchronous (Li et al., https://arxiv.org/abs/1810.05934).

    Example:
        >>> from nappo2.search import Budget, successive_halving
        >>> type(successive_halving(Budget())).__name__
        'SuccessiveHalvingPruner'
    """
    import optuna

    return optuna.pruners.SuccessiveHalvingPruner(min_resource=budget.steps[0], reduction_factor=3)


@checked
def unpruned(budget: Budget) -> Any:
    """Prunes nothing.

    Example:
        >>> from nappo2.search import Budget, unpruned
        >>> type(unpruned(Budget())).__name__
        'NopPruner'
    """
    import optuna

    return optuna.pruners.NopPruner()
