"""Batches to gradients to params, one by one and a whole rollout at once."""
