"""What an entry that lacks a key means: Stable-Baselines3's defaults, and those of rl-zoo3."""

from typing import Any

OF_ZOO: dict[str, Any] = {
    "n_envs": 1,
    "policy": "MlpPolicy",
    "normalize": False,
    "frame_stack": 1,
    "env_wrapper": None,
    "vec_env_wrapper": None,
    "env_kwargs": None,
    "callback": None,
    "monitor_kwargs": None,
}
POLICY: dict[str, Any] = {
    "policy_kwargs.net_arch": None,
    "policy_kwargs.features_extractor_class": None,
    "policy_kwargs.features_extractor_kwargs": None,
    "policy_kwargs.normalize_images": True,
    "policy_kwargs.optimizer_kwargs": None,
}
ON_POLICY: dict[str, Any] = POLICY | {
    "ent_coef": 0.0,
    "vf_coef": 0.5,
    "max_grad_norm": 0.5,
    "gamma": 0.99,
    "use_sde": False,
    "sde_sample_freq": -1,
    "rollout_buffer_class": None,
    "rollout_buffer_kwargs": None,
    "policy_kwargs.activation_fn": "nn.Tanh",
    "policy_kwargs.ortho_init": True,
    "policy_kwargs.log_std_init": 0.0,
    "policy_kwargs.full_std": True,
    "policy_kwargs.use_expln": False,
    "policy_kwargs.squash_output": False,
    "policy_kwargs.share_features_extractor": True,
}
OFF_POLICY: dict[str, Any] = POLICY | {
    "learning_rate": 3e-4,
    "buffer_size": 1_000_000,
    "learning_starts": 100,
    "batch_size": 256,
    "tau": 0.005,
    "gamma": 0.99,
    "train_freq": 1,
    "gradient_steps": 1,
    "noise_type": None,
    "n_steps": 1,
    "replay_buffer_class": None,
    "replay_buffer_kwargs": None,
    "optimize_memory_usage": False,
    "policy_kwargs.activation_fn": "nn.ReLU",
    "policy_kwargs.optimizer_class": "th.optim.Adam",
}
CRITICS: dict[str, Any] = {
    "policy_kwargs.n_critics": 2,
    "policy_kwargs.share_features_extractor": False,
}
SOFT: dict[str, Any] = (
    OFF_POLICY
    | CRITICS
    | {
        "ent_coef": "auto",
        "target_entropy": "auto",
        "target_update_interval": 1,
        "use_sde": False,
        "sde_sample_freq": -1,
        "use_sde_at_warmup": False,
        "policy_kwargs.log_std_init": -3.0,
        "policy_kwargs.use_expln": False,
        "policy_kwargs.clip_mean": 2.0,
    }
)
DEFAULTS: dict[str, dict[str, Any]] = {
    "ppo": ON_POLICY
    | {
        "learning_rate": 3e-4,
        "n_steps": 2048,
        "batch_size": 64,
        "n_epochs": 10,
        "gae_lambda": 0.95,
        "clip_range": 0.2,
        "clip_range_vf": None,
        "normalize_advantage": True,
        "target_kl": None,
        "policy_kwargs.optimizer_class": "th.optim.Adam",
    },
    "a2c": ON_POLICY
    | {
        "learning_rate": 7e-4,
        "n_steps": 5,
        "gae_lambda": 1.0,
        "rms_prop_eps": 1e-5,
        "use_rms_prop": True,
        "normalize_advantage": False,
        "policy_kwargs.optimizer_class": "th.optim.RMSprop",
    },
    "dqn": OFF_POLICY
    | {
        "learning_rate": 1e-4,
        "batch_size": 32,
        "tau": 1.0,
        "train_freq": 4,
        "target_update_interval": 10_000,
        "exploration_fraction": 0.1,
        "exploration_initial_eps": 1.0,
        "exploration_final_eps": 0.05,
        "max_grad_norm": 10.0,
    },
    "sac": SOFT,
    "td3": OFF_POLICY
    | CRITICS
    | {
        "learning_rate": 1e-3,
        "policy_delay": 2,
        "noise_std": 0.0,
        "target_policy_noise": 0.2,
        "target_noise_clip": 0.5,
    },
    "tqc": SOFT | {"top_quantiles_to_drop_per_net": 2, "policy_kwargs.n_quantiles": 25},
}
"""By algorithm; the keys with a point are those of ``policy_kwargs``."""
