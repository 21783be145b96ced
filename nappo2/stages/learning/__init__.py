"""Learning: batches to gradients to params, one by one or all batches of a rollout at once."""
