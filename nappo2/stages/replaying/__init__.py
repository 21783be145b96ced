"""Replay of transitions, and the stages left and right of it."""
