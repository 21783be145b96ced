"""nappo2: distributed deep reinforcement learning as pipelines of pure transforms."""
