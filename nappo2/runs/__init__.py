"""Runs: the Learner, its metrics, files, interrupts and evaluations."""
