"""d3rlpy's IQL and TD3+BC on arrays of a file, for ``nox -s offline``, in an environment without nappo2.

``python -m evidence.d3rlpy_offline RECIPE DATA UPDATES SEED POLICY`` trains on the arrays of DATA, an
``.npz`` file, and writes the policy as a TorchScript program, from observations [N, n] to actions [N, A].
"""

import sys

import d3rlpy
import numpy as np
import torch

HIDDEN = d3rlpy.models.encoders.VectorEncoderFactory([64, 64])
PERCEPTRONS = {"actor_encoder_factory": HIDDEN, "critic_encoder_factory": HIDDEN}
SCALED = d3rlpy.preprocessing.StandardObservationScaler
RATES = {"actor_learning_rate": 1e-3, "critic_learning_rate": 1e-3}
CONFIGS = {
    "iql": lambda: d3rlpy.algos.IQLConfig(**PERCEPTRONS, value_encoder_factory=HIDDEN),
    "td3_bc": lambda: d3rlpy.algos.TD3PlusBCConfig(
        **PERCEPTRONS, **RATES, observation_scaler=SCALED()
    ),
}
"""Of each recipe, with d3rlpy's numbers but for smaller perceptrons, and faster ones of TD3+BC."""


def train(recipe: str, data: str, num_updates: int, seed: int, path: str) -> None:
    """Trains an agent and writes its policy."""
    torch.set_num_threads(1)
    d3rlpy.seed(seed)
    arrays = np.load(data)
    columns = {name: arrays[name] for name in ("observations", "actions", "rewards")}
    ends = {name: arrays[name].astype(np.float32) for name in ("terminals", "timeouts")}
    agent = CONFIGS[recipe]().create(device="cpu")
    agent.fit(
        d3rlpy.dataset.MDPDataset(**columns, **ends),
        n_steps=num_updates,
        n_steps_per_epoch=num_updates,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
        show_progress=False,
    )
    agent.save_policy(path)


if __name__ == "__main__":
    recipe, data, num_updates, seed, path = sys.argv[1:]
    train(recipe, data, int(num_updates), int(seed), path)
