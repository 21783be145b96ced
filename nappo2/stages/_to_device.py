"""Where the data is."""

from nappo2.pipeline import Transform, stage, stateless


@stage
def to_device() -> Transform:
    """Moves what was collected, on a CPU, to the device of the params that learn from it."""

    def fn(params, item):
        device = params["version"].device
        return item if device.type == "cpu" else item.to(device)

    return stateless(fn)
