"""Reuse of transitions: replays, and what is done left and right of them."""
