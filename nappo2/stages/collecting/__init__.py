"""Collecting rollouts, the source of every pipeline."""
