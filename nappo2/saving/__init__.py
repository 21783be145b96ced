"""Runs on disk: plain data, archives of them, checkpoints, and the folder they lie in."""
