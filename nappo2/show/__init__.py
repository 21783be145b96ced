"""What people look at."""

from nappo2.show.curve import draw_curve

__all__ = ["draw_curve"]
