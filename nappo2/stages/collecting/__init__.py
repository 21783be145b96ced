"""Rollouts: the source of every pipeline."""
