"""What people look at. Drawing anything starts no work, and heavy imports wait until they are needed."""

from nappo2.show.curve import draw_curve
from nappo2.show.diagram import diagram
from nappo2.show.first import First, first
from nappo2.show.look import Look, look

__all__ = ["First", "Look", "diagram", "draw_curve", "first", "look"]
