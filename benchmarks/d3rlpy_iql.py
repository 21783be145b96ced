"""d3rlpy's IQL on arrays of a file, for ``nox -s offline``, in an environment of its own without nappo2.

``python -m benchmarks.d3rlpy_iql DATA UPDATES SEED POLICY`` trains on the arrays of DATA, an ``.npz`` file,
and writes the policy as a TorchScript program, from observations [N, n] to actions [N, A].
"""

import sys

import d3rlpy
import numpy as np
import torch


def train(data: str, num_updates: int, seed: int, path: str) -> None:
    """Trains an agent with d3rlpy's defaults, but for smaller perceptrons."""
    torch.set_num_threads(1)
    d3rlpy.seed(seed)
    arrays = np.load(data)
    columns = {name: arrays[name] for name in ("observations", "actions", "rewards")}
    ends = {name: arrays[name].astype(np.float32) for name in ("terminals", "timeouts")}
    dataset = d3rlpy.dataset.MDPDataset(**columns, **ends)
    hidden = d3rlpy.models.encoders.VectorEncoderFactory([64, 64])
    agent = d3rlpy.algos.IQLConfig(
        actor_encoder_factory=hidden, critic_encoder_factory=hidden, value_encoder_factory=hidden
    ).create(device="cpu")
    agent.fit(
        dataset,
        n_steps=num_updates,
        n_steps_per_epoch=num_updates,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
        show_progress=False,
    )
    agent.save_policy(path)


if __name__ == "__main__":
    data, num_updates, seed, path = sys.argv[1:]
    train(data, int(num_updates), int(seed), path)
