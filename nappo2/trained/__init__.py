"""Trained agents: ``load`` makes one of a run, and it acts in anybody's loop."""

from nappo2.trained._load import load
from nappo2.trained.agent import TrainedAgent
from nappo2.trained.environments import env_again

__all__ = ["TrainedAgent", "env_again", "load"]
