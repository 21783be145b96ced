"""What has to be so in an entry, as no field of a configuration is made of it."""

from nappo2.zoo.entry import flag, only
from nappo2.zoo.environments import CHECKS as OF_ENVIRONMENTS
from nappo2.zoo.networks import COMMON, needs_relu, optimizer_named

TORCHS = "the RMSProp here is torch's, which adds eps outside the root"
ROLLOUTS = "other rollouts are recipe.replace(prepare=...) here"
SHARED = "policy_kwargs.share_features_extractor"
NOISE = (
    flag("use_sde"),
    only("policy_kwargs.use_expln", False, reason="deviations are exponentials here"),
)
ON_POLICY_CHECKS = (
    *COMMON,
    *OF_ENVIRONMENTS,
    *NOISE,
    only("policy_kwargs.full_std", True, reason="each feature has deviations of its own here"),
    only("policy_kwargs.squash_output", False, reason="actions are clipped and not squashed here"),
    only("rollout_buffer_class", None, reason=ROLLOUTS),
    only("rollout_buffer_kwargs", None, reason=ROLLOUTS),
    only(SHARED, True, reason="actor and critic share convolutions, and nothing else, here"),
)
ADAM = optimizer_named("Adam", "another optimiser is recipe.replace(optimizer=...) here")
OFF_POLICY_CHECKS = (
    *COMMON,
    *OF_ENVIRONMENTS,
    needs_relu(),
    ADAM,
    only("n_steps", 1, reason="n-step returns are n_step(...) before a replay here"),
    only("replay_buffer_class", None, reason="hindsight(...) is a piece of a recipe here"),
    only("replay_buffer_kwargs", None, reason="hindsight(...) is a piece of a recipe here"),
    flag("optimize_memory_usage"),  # each frame is stored once here in any case
)
NO_EPSILON = only("policy_kwargs.optimizer_kwargs", None, reason="the epsilon of Adam is 1e-8 here")
CRITICS_CHECKS = (
    *OFF_POLICY_CHECKS,
    NO_EPSILON,
    only(SHARED, False, reason="actor and critics share no layers here"),
)
NOISELESS = only("noise_type", None, reason="only td3 has noise on actions here")
SOFT_CHECKS = (
    *CRITICS_CHECKS,
    *NOISE,
    NOISELESS,
    only("target_entropy", "auto", reason="it is target_entropy_share of -A here"),
    only("target_update_interval", 1, reason="targets move in each update here"),
    only("use_sde_at_warmup", False, reason="the first actions are uniform here"),
)
NEEDS = {
    "ppo": (
        *ON_POLICY_CHECKS,
        ADAM,
        only("clip_range_vf", None, reason="clip_value takes the larger of two errors here"),
        only("normalize_advantage", True, reason="advantages are always standardised here"),
    ),
    "a2c": (
        *ON_POLICY_CHECKS,
        optimizer_named("RMSprop", TORCHS),
        only("use_rms_prop", True, reason="the optimiser is RMSProp here"),
        only("normalize_advantage", False, reason="advantages are never standardised here"),
    ),
    "dqn": (
        *OFF_POLICY_CHECKS,
        NOISELESS,
        only("normalize", False, reason="dqn normalises no observations here"),
        only("exploration_initial_eps", 1.0, reason="exploration begins with 1 here"),
    ),
    "sac": SOFT_CHECKS,
    "td3": CRITICS_CHECKS,
    "tqc": SOFT_CHECKS,
}
"""Checks by algorithm."""
