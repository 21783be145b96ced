"""A run: the Learner, what it measures, how it is interrupted, and how its agent is evaluated."""
