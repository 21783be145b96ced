"""Recorded data: datasets of transitions, and the sources and stages that read them."""
