"""Where the data is."""

from nappo2.params import beside_params
from nappo2.pipeline import Transform, stage, stateless


@stage
def to_device() -> Transform:
    """Moves what was collected, on a CPU, to the device of the params that learn from it."""
    return stateless(beside_params)
