"""Which training scheme to use: measured costs, and schemes that are simulated with them."""

from nappo2.advice._advise import Advice, advise
from nappo2.advice.costs import Costs, Learning, Transfer
from nappo2.advice.prediction import Prediction, predict

__all__ = ["Advice", "Costs", "Learning", "Prediction", "Transfer", "advise", "predict"]
