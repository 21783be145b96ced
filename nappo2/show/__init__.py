"""Plots, videos, diagrams and checks.

Drawing starts no work: no step is taken and no worker is asked. Heavy imports wait until they are
needed.
"""

from nappo2.show._dashboard import dashboard
from nappo2.show._diagram import diagram
from nappo2.show._first import First, first
from nappo2.show._live import live
from nappo2.show._look import Look, look, shown_in_notebooks
from nappo2.show._trace import TraceReport, trace
from nappo2.show._video import Video, video
from nappo2.show._videos import videos
from nappo2.show.comparison import Comparison, compare
from nappo2.show.env_checks import check_env
from nappo2.show.env_report import EnvReport, Finding
from nappo2.show.picklable import PickleReport, check_picklable
from nappo2.show.pictures import Picture
from nappo2.show.plots import plot
from nappo2.show.run_report import RunReport, report
from nappo2.show.runs import SavedRun, load_run

__all__ = [
    "Comparison",
    "EnvReport",
    "Finding",
    "First",
    "Look",
    "PickleReport",
    "Picture",
    "RunReport",
    "SavedRun",
    "TraceReport",
    "Video",
    "check_env",
    "check_picklable",
    "compare",
    "dashboard",
    "diagram",
    "first",
    "live",
    "load_run",
    "look",
    "plot",
    "report",
    "shown_in_notebooks",
    "trace",
    "video",
    "videos",
]
