"""What people look at. Drawing anything starts no work, and heavy imports wait until they are needed."""

from nappo2.show.comparison import Comparison, compare
from nappo2.show.dashboard import dashboard
from nappo2.show.diagram import diagram
from nappo2.show.env_checks import check_env
from nappo2.show.env_report import EnvReport, Finding
from nappo2.show.first import First, first
from nappo2.show.live import live
from nappo2.show.look import Look, look, shown_in_notebooks
from nappo2.show.pictures import Picture
from nappo2.show.plots import plot
from nappo2.show.runs import SavedRun, load_run
from nappo2.show.shipment import Shipment, check_shippable
from nappo2.show.video import Video, video

__all__ = [
    "Comparison",
    "EnvReport",
    "Finding",
    "First",
    "Look",
    "Picture",
    "SavedRun",
    "Shipment",
    "Video",
    "check_env",
    "check_shippable",
    "compare",
    "dashboard",
    "diagram",
    "first",
    "live",
    "load_run",
    "look",
    "plot",
    "shown_in_notebooks",
    "video",
]
