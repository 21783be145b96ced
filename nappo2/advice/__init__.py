"""Which training scheme to use: measured costs, and schemes that are simulated with them."""

from nappo2.advice._advise import Advice, advise
from nappo2.advice.costs import Costs, Learning, Reduction, Transfer
from nappo2.advice.prediction import Prediction, predict

__all__ = [
    "Advice",
    "Costs",
    "Learning",
    "Prediction",
    "Reduction",
    "Transfer",
    "advise",
    "predict",
]
