"""Search for hyper-parameters: values of a space are tried, and the best become a preset."""

from nappo2.search._search import search
from nappo2.search.found import Search
from nappo2.search.jobs import Budget
from nappo2.search.pruning import median, successive_halving, unpruned
from nappo2.search.results import Result
from nappo2.search.space import Dimension, Space, choice, integers, log_uniform, uniform
from nappo2.search.spaces import space_for, values_in

__all__ = [
    "Budget",
    "Dimension",
    "Result",
    "Search",
    "Space",
    "choice",
    "integers",
    "log_uniform",
    "median",
    "search",
    "space_for",
    "successive_halving",
    "uniform",
    "unpruned",
    "values_in",
]
