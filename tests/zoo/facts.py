"""Facts of rl-zoo3's hyperparams/*.yml (MIT; commit 22e3ff2, April 2026), for this project's environments.

Keys and numbers are the zoo's; what an entry says that is Stable-Baselines3's default is left out.
"""

from typing import Any

SIZES = "dict(pi=[256, 256], vf=[256, 256])"
NETWORKS = f"log_std_init={{}}, ortho_init=False, activation_fn=nn.ReLU, net_arch={SIZES}"
WRAPPER = {
    "env_wrapper": ["stable_baselines3.common.atari_wrappers.AtariWrapper"],
    "frame_stack": 4,
}
GAMES = {**WRAPPER, "policy": "CnnPolicy", "n_timesteps": 1e7}
MINIGRID = (
    *("Empty-Random-5x5", "FourRooms", "DoorKey-5x5", "MultiRoom-N4-S5", "Fetch-5x5-N2"),
    *("GoToDoor-5x5", "PutNear-6x6-N2", "RedBlueDoors-6x6", "LockedRoom", "KeyCorridorS3R1"),
    *("Unlock", "ObstructedMaze-2Dlh"),
)
MUJOCO = ("HalfCheetah-v4", "Ant-v4", "Hopper-v4", "Walker2d-v4")


def lin(start: float) -> str:
    return f"lin_{start}"


def networks(log_std: float) -> dict[str, str]:
    return {"policy_kwargs": f"dict({NETWORKS.format(log_std)})"}


def arch(*sizes: int, **others: Any) -> dict[str, str]:
    words = [f"{key}={value}" for key, value in others.items()]
    return {"policy_kwargs": f"dict({', '.join([*words, f'net_arch={list(sizes)}'])})"}


def on(steps: float, n_envs: int = 1, **values: Any) -> dict[str, Any]:
    """Of on-policy algorithms with normalised observations and rewards."""
    return {"normalize": True, "n_timesteps": steps, "n_envs": n_envs, **values}


def plain(steps: float, n_envs: int = 1, **values: Any) -> dict[str, Any]:
    return {"n_timesteps": steps, "n_envs": n_envs, **values}


def robot(lr, steps, batch, gamma, ent, clip, epochs, gae, norm, vf, total=1e6) -> dict[str, Any]:
    return on(
        total, learning_rate=lr, n_steps=steps, batch_size=batch, gamma=gamma, ent_coef=ent,
        clip_range=clip, n_epochs=epochs, gae_lambda=gae, max_grad_norm=norm, vf_coef=vf,
        **networks(-2),
    )  # fmt: skip


def bare(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != "policy_kwargs"}


BULLET_PPO = on(
    2e6, 16, n_steps=512, batch_size=128, gae_lambda=0.9, n_epochs=20, learning_rate=3e-5,
    clip_range=0.4, use_sde=True, sde_sample_freq=4, **networks(-2),
)  # fmt: skip
LONG = {"n_steps": 2048, "batch_size": 64}
HUMANOID_PPO = on(1e7, 8, learning_rate=2.5e-4, **LONG)
LUNAR = plain(1e6, 16, n_steps=1024, gae_lambda=0.98, gamma=0.999, n_epochs=4, ent_coef=0.01)
PPO = {
    "atari": {
        **GAMES, "n_envs": 8, "n_steps": 128, "n_epochs": 4, "batch_size": 256,
        "learning_rate": lin(2.5e-4), "clip_range": lin(0.1), "ent_coef": 0.01,
    },
    "CartPole-v1": plain(
        1e5, 8, n_steps=32, batch_size=256, gae_lambda=0.8, gamma=0.98, n_epochs=20,
        learning_rate=lin(1e-3), clip_range=lin(0.2),
    ),
    "Pendulum-v1": plain(
        1e5, 4, n_steps=1024, gamma=0.9, learning_rate=1e-3, use_sde=True, sde_sample_freq=4
    ),
    "MountainCar-v0": on(1e6, 16, n_steps=16, gae_lambda=0.98, n_epochs=4),
    "MountainCarContinuous-v0": on(
        20_000, n_steps=8, batch_size=256, gamma=0.9999, learning_rate=7.77e-5, ent_coef=0.00429,
        clip_range=0.1, gae_lambda=0.9, max_grad_norm=5, vf_coef=0.19, use_sde=True,
        policy_kwargs="dict(log_std_init=-3.29, ortho_init=False)",
    ),
    "Acrobot-v1": on(1e6, 16, n_steps=256, gae_lambda=0.94, n_epochs=4),
    "BipedalWalker-v3": on(5e6, 32, gamma=0.999, clip_range=0.18, **LONG),
    "BipedalWalkerHardcore-v3": on(
        1e8, 16, ent_coef=0.001, learning_rate=lin(2.5e-4), clip_range=lin(0.2), **LONG
    ),
    "LunarLander-v3": LUNAR,
    "LunarLanderContinuous-v3": LUNAR,
    "HalfCheetahBulletEnv-v0": BULLET_PPO,
    "AntBulletEnv-v0": BULLET_PPO | networks(-1),
    "Walker2DBulletEnv-v0": BULLET_PPO | {"clip_range": lin(0.4)},
    "HopperBulletEnv-v0": BULLET_PPO | {"clip_range": lin(0.4)},
    "ReacherBulletEnv-v0": BULLET_PPO
    | {"n_timesteps": 1e6, "n_envs": 8, "batch_size": 64, "clip_range": lin(0.4)}
    | networks(-2.7),
    "HumanoidBulletEnv-v0": HUMANOID_PPO,
    "InvertedDoublePendulumBulletEnv-v0": HUMANOID_PPO | {"n_timesteps": 2e6},
    "InvertedPendulumSwingupBulletEnv-v0": HUMANOID_PPO | {"n_timesteps": 2e6},
    "Ant-v4": on(1e6),
    "Swimmer-v4": on(
        1e6, 4, gamma=0.9999, n_steps=1024, batch_size=256, learning_rate=6e-4, gae_lambda=0.98
    ),
    "HalfCheetah-v4": robot(
        2.0633e-5, 512, 64, 0.98, 0.000401762, 0.1, 20, 0.92, 0.8, 0.58096
    ),
    "Hopper-v4": robot(9.80828e-5, 512, 32, 0.999, 0.00229519, 0.2, 5, 0.99, 0.7, 0.835671),
    "Walker2d-v4": bare(robot(5.05041e-5, 512, 32, 0.99, 0.000585045, 0.1, 20, 0.95, 1, 0.871923)),
    "Humanoid-v4": robot(
        3.56987e-5, 512, 256, 0.95, 0.00238306, 0.3, 5, 0.9, 2, 0.431892, total=1e7
    ),
    "CarRacing-v3": plain(
        4e6, 8, policy="CnnPolicy", n_steps=512, batch_size=128, learning_rate=lin(1e-4),
        use_sde=True, sde_sample_freq=4, frame_stack=2,
        normalize="{'norm_obs': False, 'norm_reward': True}",
        env_wrapper=[
            {"rl_zoo3.wrappers.FrameSkip": {"skip": 2}},
            {"rl_zoo3.wrappers.YAMLCompatResizeObservation": {"shape": [64, 64]}},
            {"gymnasium.wrappers.transform_observation.GrayscaleObservation": {"keep_dim": True}},
        ],
        policy_kwargs="""dict(log_std_init=-2, ortho_init=False, activation_fn=nn.GELU,
                              net_arch=dict(pi=[256], vf=[256]),)""",
    ),
} | {
    f"MiniGrid-{name}-v0": on(
        1e5, 8, n_steps=128, learning_rate=2.5e-4,
        env_wrapper="minigrid.wrappers.FlatObsWrapper",
    )
    for name in MINIGRID
}  # fmt: skip

A2C_SDE = {
    "n_steps": 8, "gae_lambda": 0.9, "vf_coef": 0.4, "use_rms_prop": True, "use_sde": True,
    "normalize_advantage": False, "policy_kwargs": "dict(log_std_init=-2, ortho_init=False)",
}  # fmt: skip
BULLET_A2C = on(2e6, 4, learning_rate=lin(0.00096), **A2C_SDE)
A2C = {
    "atari": {
        **GAMES,
        "n_envs": 16,
        "ent_coef": 0.01,
        "vf_coef": 0.25,
        "policy_kwargs": "dict(optimizer_class=RMSpropTFLike, optimizer_kwargs=dict(eps=1e-5))",
    },
    "CartPole-v1": plain(5e5, 8),
    "LunarLander-v3": plain(2e5, 8, gamma=0.995, learning_rate=lin(0.00083), ent_coef=0.00001),
    "MountainCar-v0": on(1e6, 16),
    "Acrobot-v1": on(5e5, 16),
    "Pendulum-v1": on(1e6, 8, learning_rate=lin(7e-4), **(A2C_SDE | {"gamma": 0.9})),
    "LunarLanderContinuous-v3": on(5e6, 4, learning_rate=lin(7e-4), **A2C_SDE),
    "MountainCarContinuous-v0": on(
        1e5,
        4,
        n_steps=100,
        use_sde=True,
        sde_sample_freq=16,
        policy_kwargs="dict(log_std_init=0.0, ortho_init=False)",
    ),
    "BipedalWalker-v3": on(5e6, 16, learning_rate=lin(0.00096), **A2C_SDE),
    "BipedalWalkerHardcore-v3": on(2e8, 32, ent_coef=0.001, learning_rate=lin(0.0008), **A2C_SDE),
    "ReacherBulletEnv-v0": BULLET_A2C | {"learning_rate": lin(0.0008)},
    "Humanoid-v4": on(2e6),
    "Swimmer-v4": on(1e6, gamma=0.9999),
} | {f"{name}BulletEnv-v0": BULLET_A2C for name in ("HalfCheetah", "Walker2D", "Ant", "Hopper")}
A2C |= {name: on(1e6) for name in MUJOCO}  # fmt: skip

LANDING = {
    "n_timesteps": 1e5, "learning_rate": 6.3e-4, "batch_size": 128, "buffer_size": 50_000,
    "learning_starts": 0, "target_update_interval": 250, "gradient_steps": -1,
    "exploration_fraction": 0.12, "exploration_final_eps": 0.1, **arch(256, 256),
}  # fmt: skip
DQN = {
    "atari": {
        **GAMES, "buffer_size": 100_000, "learning_starts": 100_000,
        "target_update_interval": 1000, "exploration_final_eps": 0.01, "optimize_memory_usage": False,
    },
    "CartPole-v1": plain(
        5e4, learning_rate=2.3e-3, batch_size=64, buffer_size=100_000, learning_starts=1000,
        target_update_interval=10, train_freq=256, gradient_steps=128, exploration_fraction=0.16,
        exploration_final_eps=0.04, **arch(256, 256),
    ),
    "MountainCar-v0": plain(
        1.2e5, learning_rate=4e-3, batch_size=128, buffer_size=10_000, learning_starts=1000,
        gamma=0.98, target_update_interval=600, train_freq=16, gradient_steps=8,
        exploration_fraction=0.2, exploration_final_eps=0.07, **arch(256, 256),
    ),
    "LunarLander-v3": LANDING,
    "Acrobot-v1": LANDING,
}  # fmt: skip

WARM = {"learning_starts": 10_000}
MOUNTAIN = plain(
    50_000, buffer_size=50_000, batch_size=512, ent_coef=0.1, train_freq=32, gradient_steps=32,
    gamma=0.9999, tau=0.01, learning_starts=0, use_sde=True, **arch(64, 64, log_std_init=-3.67),
)  # fmt: skip
SLOW = {"tau": 0.01, "learning_rate": lin(7.3e-4), **WARM, **arch(400, 300)}
QUICK = {
    "learning_rate": 7.3e-4, "buffer_size": 300_000, "gamma": 0.98, "tau": 0.02, "use_sde": True,
    **WARM, **arch(400, 300, log_std_init=-3),
}  # fmt: skip
BULLET_SAC = plain(1e6, train_freq=8, gradient_steps=8, **QUICK)
FALLING = {"learning_rate": lin(7.3e-4)}
SOFT = {
    "MountainCarContinuous-v0": MOUNTAIN,
    "Pendulum-v1": plain(20_000, learning_rate=1e-3),
    "LunarLanderContinuous-v3": plain(5e5, **SLOW),
    "BipedalWalker-v3": plain(5e5, train_freq=64, gradient_steps=64, **QUICK),
    "HalfCheetahBulletEnv-v0": BULLET_SAC,
    "AntBulletEnv-v0": BULLET_SAC,
    "HopperBulletEnv-v0": BULLET_SAC | FALLING,
    "Walker2DBulletEnv-v0": BULLET_SAC | FALLING,
    "ReacherBulletEnv-v0": BULLET_SAC | {"n_timesteps": 3e5},
    "InvertedDoublePendulumBulletEnv-v0": BULLET_SAC | {"n_timesteps": 5e5},
    "InvertedPendulumSwingupBulletEnv-v0": BULLET_SAC | {"n_timesteps": 3e5},
    "Humanoid-v4": plain(2e6, **WARM),
    "Swimmer-v4": plain(1e6, gamma=0.999, **WARM),
} | {name: plain(1e6, **WARM) for name in MUJOCO}
SAC = SOFT | {
    "BipedalWalkerHardcore-v3": plain(1e7, ent_coef=0.005, **SLOW),
    "HumanoidBulletEnv-v0": plain(
        2e7, normalize="{'norm_obs': True, 'norm_reward': False}", learning_rate=lin(3e-4),
        batch_size=64, learning_starts=1000,
    ),
    "FetchReach-v1": plain(
        20_000, policy="MultiInputPolicy", gamma=0.95, learning_rate=0.001, learning_starts=1000,
        normalize=True, replay_buffer_class="HerReplayBuffer",
        replay_buffer_kwargs="dict(goal_selection_strategy='future', n_sampled_goal=4)",
        **arch(64, 64),
    ),
}  # fmt: skip
DROPPED = {"top_quantiles_to_drop_per_net": 5}
TQC = SOFT | {
    "BipedalWalkerHardcore-v3": plain(2e6, **SLOW),
    "HopperBulletEnv-v0": BULLET_SAC | FALLING | DROPPED,
    "HumanoidBulletEnv-v0": BULLET_SAC | FALLING | DROPPED | {"n_timesteps": 1e7},
    "Hopper-v4": plain(1e6, **WARM, **DROPPED),
}

NOISE = {"noise_type": "normal", "noise_std": 0.1, **WARM, **arch(400, 300)}
BULLET_TD3 = plain(1e6, gamma=0.98, buffer_size=200_000, learning_rate=7e-4, **NOISE)
SMALL_TD3 = BULLET_TD3 | {"learning_rate": 1e-3}
TD3 = {
    "MountainCarContinuous-v0": plain(
        3e5, noise_type="ornstein-uhlenbeck", noise_std=0.5, **arch(400, 300)
    ),
    "Pendulum-v1": SMALL_TD3 | {"n_timesteps": 20_000},
    "LunarLanderContinuous-v3": SMALL_TD3 | {"n_timesteps": 3e5},
    "BipedalWalker-v3": SMALL_TD3,
    "BipedalWalkerHardcore-v3": plain(1e7, learning_rate=lin(7e-4), **NOISE),
    "HumanoidBulletEnv-v0": SMALL_TD3 | {"n_timesteps": 2e6},
    "ReacherBulletEnv-v0": BULLET_TD3 | {"n_timesteps": 3e5},
    "InvertedDoublePendulumBulletEnv-v0": BULLET_TD3,
    "InvertedPendulumSwingupBulletEnv-v0": BULLET_TD3 | {"n_timesteps": 3e5},
    "Humanoid-v4": plain(2e6, **NOISE),
    "Swimmer-v4": plain(1e6, gamma=0.9999, **NOISE),
} | {f"{name}BulletEnv-v0": BULLET_TD3 for name in ("HalfCheetah", "Ant", "Hopper", "Walker2D")}
TD3 |= {name: plain(1e6, **NOISE) for name in MUJOCO}

FACTS = {"ppo": PPO, "a2c": A2C, "dqn": DQN, "sac": SAC, "td3": TD3, "tqc": TQC}
"""Entries by algorithm and environment."""
