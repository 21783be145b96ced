"""What keys of rl-zoo3 become: fields of a configuration, each of the keys that it is made of."""

from nappo2.recipes._dqn import updates_until
from nappo2.zoo.entry import (
    Entry,
    Misfit,
    Rule,
    count,
    count_in,
    falls,
    first,
    flag,
    integer_in,
    number,
    number_in,
    share_in,
)
from nappo2.zoo.environments import normalizes
from nappo2.zoo.networks import epsilon, is_relu, layers

SAMPLED = "sde_sample_freq"
LOG_STD = "policy_kwargs.log_std_init"


def _minibatches(entry: Entry) -> int:
    """Minibatches of a rollout; one if the batch is larger."""
    rollout, batch = _rollout(entry), count_in(entry, "batch_size")
    if batch < rollout and rollout % batch:
        raise Misfit(
            "batch_size", f"{batch} does not divide the {rollout} transitions of a rollout"
        )
    return max(1, rollout // batch)


def _rollout(entry: Entry) -> int:
    return count_in(entry, "n_envs") * count_in(entry, "n_steps")


def _clip_and_rate(entry: Entry) -> tuple[str, ...]:
    names = {"learning_rate": "learning_rate", "clip_range": "clip_eps"}
    falling = tuple(name for key, name in names.items() if falls(entry, key))
    return falling or tuple(names.values())


def _updates_of_ppo(entry: Entry) -> int:
    if not any(falls(entry, key) for key in ("learning_rate", "clip_range")):
        return 0
    passes = count_in(entry, "n_epochs") * _minibatches(entry)
    return round(passes * count_in(entry, "n_timesteps") / _rollout(entry))


def _updates_of_a2c(entry: Entry) -> int:
    rollouts = count_in(entry, "n_timesteps") / _rollout(entry)
    return round(rollouts) if falls(entry, "learning_rate") else 0


def _target_kl(entry: Entry) -> float | None:
    return None if entry["target_kl"] is None else number_in(entry, "target_kl")


def _resample_every(steps: str) -> Rule:
    """Steps for which noise is kept: those of a rollout for -1."""

    def value(entry: Entry) -> int:
        every = integer_in(entry, SAMPLED)
        return every if every > 0 else _steps_of(entry, steps)

    return Rule((SAMPLED, steps), value)


def _steps_of(entry: Entry, key: str) -> int:
    """Steps of each environment per rollout; of ``train_freq`` also as (8, "step")."""
    given = entry[key]
    if isinstance(given, list) and len(given) == 2:
        if given[1] != "step":
            raise Misfit(key, f"it counts steps here, not {given[1]!r}")
        return count_in(Entry(entry.env_id, {key: given[0]}), key)
    return count_in(entry, key)


def _gradients(entry: Entry) -> int:
    """Gradients per rollout: one per transition for -1."""
    transitions = _steps_of(entry, "train_freq") * count_in(entry, "n_envs")
    steps = integer_in(entry, "gradient_steps")
    if not steps:
        raise Misfit("gradient_steps", "it is at least 1, or -1 for one per transition, not 0")
    return transitions if steps < 0 else steps


def _ratio(entry: Entry) -> float:
    """Gradients per transition."""
    return _gradients(entry) / (_steps_of(entry, "train_freq") * count_in(entry, "n_envs"))


def _updates_of_replay(entry: Entry) -> int:
    return _until(entry, 1.0) if falls(entry, "learning_rate") else 0


def _until(entry: Entry, share: float) -> int:
    total, start = count_in(entry, "n_timesteps"), count_in(entry, "learning_starts", 0)
    return max(0, updates_until(share, total, start, _ratio(entry)))


def _copies(entry: Entry) -> int:
    """Updates per copy of the target; it is never copied while a rollout's updates are made."""
    every = count_in(entry, "target_update_interval")
    return max(1, _gradients(entry), round(every * _ratio(entry)))


def _alpha(entry: Entry) -> float:
    given = entry["ent_coef"]
    if given == "auto":
        return 1.0
    text = given.removeprefix("auto_") if isinstance(given, str) else given
    return number_in(Entry(entry.env_id, {"ent_coef": text}), "ent_coef")


def _learns_alpha(entry: Entry) -> bool:
    """Tests whether the temperature is learnt: of ``auto`` and ``auto_0.1``; 1e-3 is a text in YAML, too."""
    return str(entry["ent_coef"]).startswith("auto")


def _exploration(entry: Entry) -> float:
    """The deviation of normal noise on actions."""
    if entry["noise_type"] is None:
        return 0.0
    if entry["noise_type"] != "normal":
        raise Misfit("noise_type", f"noise on actions is normal here, not {entry['noise_type']}")
    return number_in(entry, "noise_std")


OF_REPLAY = ("n_timesteps", "learning_starts", "train_freq", "gradient_steps", "n_envs")
ON_POLICY = {
    "num_steps": count("n_steps"),
    "learning_rate": first("learning_rate"),
    "gamma": number("gamma"),
    "lambda_": number("gae_lambda"),
    "value_coef": number("vf_coef", 2.0),  # here half a squared error is weighted
    "entropy_coef": number("ent_coef"),
    "max_grad_norm": number("max_grad_norm"),
    "hidden": layers("vf", (64, 64), ()),
    "relu": is_relu(),
    "orthogonal": flag("policy_kwargs.ortho_init"),
    "initial_log_std": number(LOG_STD),
    "normalize": normalizes(on_policy=True),
}
PPO = ON_POLICY | {
    "num_epochs": count("n_epochs"),
    "num_minibatches": Rule(("batch_size", "n_steps", "n_envs"), _minibatches),
    "clip_eps": first("clip_range"),
    "annealed": Rule(("learning_rate", "clip_range"), _clip_and_rate),
    "anneal_updates": Rule(("n_timesteps", "n_epochs", "batch_size"), _updates_of_ppo),
    "target_kl": Rule(("target_kl",), _target_kl),
    "adam_eps": epsilon(lambda entry: 1e-5),
}
A2C = ON_POLICY | {
    "rmsprop_eps": epsilon(lambda entry: number_in(entry, "rms_prop_eps")),
    "anneal_updates": Rule(("n_timesteps", "n_steps", "n_envs", "rms_prop_eps"), _updates_of_a2c),
}
REPLAY = {
    "num_steps": Rule(("train_freq",), lambda entry: _steps_of(entry, "train_freq")),
    "capacity": count("buffer_size"),
    "batch_size": count("batch_size"),
    "update_ratio": Rule(("gradient_steps", "train_freq", "n_envs"), _ratio),
    "start_steps": count("learning_starts", 0),
    "learning_rate": first("learning_rate"),
    "gamma": number("gamma"),
    "target_step_size": number("tau"),
    "orthogonal": Rule((), lambda entry: False),
}
FALLING = {"anneal_updates": Rule(OF_REPLAY, _updates_of_replay)}
SOFT = (
    REPLAY
    | FALLING
    | {
        "initial_alpha": Rule(("ent_coef",), _alpha),
        "learn_alpha": Rule(("ent_coef",), _learns_alpha),
        "num_critics": count("policy_kwargs.n_critics"),
        "hidden": layers("qf", (256, 256), (256, 256)),
        "normalize": normalizes(on_policy=False),
    }
)
SOFT_GSDE = {
    "resample_every": _resample_every("train_freq"),
    "initial_log_std": number(LOG_STD),
    "mean_limit": number("policy_kwargs.clip_mean"),
}
TQC = SOFT | {
    "num_quantiles": count("policy_kwargs.n_quantiles"),
    "num_dropped": count("top_quantiles_to_drop_per_net", 0),
    "hidden": layers("qf", (256, 256), (256, 256), "pi"),
    "critic_hidden": layers("qf", (256, 256), (256, 256), "qf"),
}
FIELDS = {
    "ppo": PPO,
    "ppo_gsde": PPO | {"resample_every": _resample_every("n_steps")},
    "a2c": A2C,
    "a2c_gsde": A2C | {"resample_every": _resample_every("n_steps")},
    "dqn": REPLAY
    | FALLING
    | {
        "target_delay": Rule(("target_update_interval", "train_freq", "gradient_steps"), _copies),
        "epsilon": number("exploration_final_eps"),
        "exploration_updates": Rule(
            ("exploration_fraction", *OF_REPLAY),
            lambda entry: _until(entry, share_in(entry, "exploration_fraction")),
        ),
        "max_grad_norm": number("max_grad_norm"),
        "adam_eps": epsilon(lambda entry: 1e-8),
        "hidden": layers("pi", (64, 64), ()),
    },
    "sac": SOFT,
    "sac_gsde": SOFT | SOFT_GSDE,
    "td3": REPLAY
    | FALLING
    | {
        "exploration_std": Rule(("noise_type", "noise_std"), _exploration),
        "policy_delay": count("policy_delay"),
        "target_delay": count("policy_delay"),  # targets move with the actor
        "noise_std": number("target_policy_noise"),
        "noise_limit": number("target_noise_clip"),
        "num_critics": count("policy_kwargs.n_critics"),
        "hidden": layers("qf", (400, 300), (256, 256)),
        "normalize": normalizes(on_policy=False),
    },
    "tqc": TQC,
    "tqc_gsde": TQC | SOFT_GSDE,
}
"""By recipe and field of its configuration."""
