"""All entries, cheapest first. Nothing was chosen by its result, and nothing tuned on these seeds.

Options after a recipe are those of ``nappo2 train``. Without any, an entry is what the preset for its
environment says; where the numbers are rl-zoo3's, ``value_coef`` is twice its ``vf_coef``, as the loss
here has half of the squared error.
"""

from collections.abc import Iterator
from functools import partial

from evidence import rainbow
from evidence.entry import PEERS, Entry, Published
from evidence.recipes import bits, reach, recorded_and_new, without_bonus

ZOO = "https://github.com/DLR-RM/rl-baselines3-zoo/blob/master/benchmark.md"
SB3 = "https://stable-baselines3.readthedocs.io/en/master/modules"


def zoo(mean: float, spread: float, steps: str) -> Published:
    """A figure of rl-zoo3's benchmark."""
    return Published(mean, spread, f"one run of {steps} steps, greedy; sd of episodes", ZOO)


def sb3(mean: float, spread: float, page: str = "ppo") -> Published:
    """A figure of Stable-Baselines3's documentation, of the page on PPO, SAC or TD3."""
    of = "6 seeds of 2M steps, greedy" if page == "ppo" else "3 seeds of 1M steps, greedy"
    return Published(mean, spread, of, f"{SB3}/{page}.html#results")


def entry(name: str, tags: str, words: str, env: str, steps: int, **others) -> Entry:
    """An entry, with its words and tags written as texts."""
    return Entry(name, tuple(tags.split()), tuple(words.split()), env, steps, **others)


POLE, MASKED, SWING = "torch/CartPole-v1", "torch/MaskedCartPole-v1", "torch/Pendulum-v1"
SOLVED, SOLVED_DQN, SOLVED_A2C = ((zoo(500.0, 0.0, steps),) for steps in ("100k", "50k", "500k"))
UP_AND_DOWN = (
    "values of such a small network go up and down until the end, so that the last params of a seed may be "
    "poor while its best ones balance the pole for 500 steps. Those of Stable-Baselines3 do so as well, with "
    "the same settings and seeds: `sb3-dqn-cartpole`. What was published is a single run."
)
SWINGS = {
    "ppo": (zoo(-172.2, 104.2, "100k"),),
    "sac": (zoo(-157.0, 88.7, "20k"),),
    "td3": (zoo(-151.9, 90.2, "20k"),),
}


def classic() -> Iterator[Entry]:
    """Gymnasium's classic control, in torch where that exists: a population of five seeds."""
    tags = "classic cartpole on-policy"
    yield entry("ppo-cartpole", tags, "ppo", "CartPole-v1", 100_000, published=SOLVED)
    yield entry("ppo-torch-cartpole", f"{tags} torch", "ppo", POLE, 100_000, published=SOLVED)
    yield entry("a2c-torch-cartpole", f"{tags} torch", "a2c", POLE, 200_000, published=SOLVED_A2C)
    yield entry("vpg-torch-cartpole", f"{tags} torch", "vpg", POLE, 200_000)
    yield entry("impala-torch-cartpole", f"{tags} torch", "impala", POLE, 200_000)
    yield entry("pqn-torch-cartpole", f"{tags} torch", "pqn", POLE, 300_000)
    tags = "classic cartpole-off-policy off-policy torch"
    given = {"published": SOLVED_DQN, "note": UP_AND_DOWN}
    yield entry("dqn-torch-cartpole", tags, "dqn", POLE, 50_000, **given)
    yield entry("sac-torch-cartpole", tags, "sac", POLE, 60_000)
    tags, env = "classic pendulum torch", SWING
    yield entry("sac-pendulum", tags, "sac", env, 20_000, published=SWINGS["sac"])
    yield entry("td3-pendulum", tags, "td3", env, 20_000, published=SWINGS["td3"])
    yield entry("tqc-pendulum", tags, "tqc", env, 20_000)
    yield entry("redq-pendulum", tags, "redq", env, 20_000)
    yield entry("crossq-pendulum", tags, "crossq", env, 20_000)
    yield entry("sac-gsde-pendulum", tags, "sac_gsde", env, 20_000)
    yield entry("ppo-gsde-pendulum", tags, "ppo_gsde", env, 100_000, published=SWINGS["ppo"])
    shared = "ppo --preset default --num-envs 16 --num-epochs 4 --jit --value-coef 1.0"
    yield entry(
        "ppo-acrobot",
        "classic acrobot torch on-policy",
        f"{shared} --num-steps 256 --num-minibatches 64 --lambda_ 0.94",
        "torch/Acrobot-v1",
        1_000_000,
        published=(zoo(-73.5, 18.2, "1M"),),
    )
    yield entry(
        "ppo-mountain-car",
        "classic mountain-car torch on-policy",
        f"{shared} --num-steps 16 --num-minibatches 4 --lambda_ 0.98",
        "torch/MountainCar-v0",
        1_000_000,
        published=(zoo(-110.4, 19.5, "1M"),),
    )


def pieces() -> Iterator[Entry]:
    """Double DQN with each piece of Rainbow, and Rainbow without each.

    Those with prioritised replay are no populations.
    """
    given = {"env": POLE, "steps": 60_000}
    tags = "rainbow rainbow-with torch"
    yield entry("double-dqn-torch-cartpole", tags, "double_dqn", **given)
    for piece in rainbow.WITH:
        name, make = f"double-dqn-with-{piece}", partial(rainbow.with_piece, piece)
        at_once = piece != "priorities"
        yield entry(name, tags, f"double_dqn with {piece}", **given, make=make, at_once=at_once)
    tags = "rainbow rainbow-without torch"
    yield entry("rainbow-torch-cartpole", tags, "rainbow", **given)
    for piece in rainbow.WITHOUT:
        name, make = f"rainbow-without-{piece}", partial(rainbow.without_piece, piece)
        at_once = piece == "priorities"
        yield entry(name, tags, f"rainbow without {piece}", **given, make=make, at_once=at_once)


def small() -> Iterator[Entry]:
    """Pixels, memory, toy texts and the lander."""
    yield entry("ppo-catch", "pixels catch torch", "ppo", "torch/Catch-v0", 40_000)
    yield entry("pqn-catch", "pixels catch torch", "pqn", "torch/Catch-v0", 40_000)
    tags = "memory masked-cartpole torch"
    yield entry("ppo-masked", tags, "ppo", MASKED, 300_000)
    yield entry("recurrent-ppo-masked", tags, "recurrent_ppo", MASKED, 300_000)
    yield entry("recurrent-impala-masked", tags, "recurrent_impala", MASKED, 300_000)
    yield entry("recurrent-pqn-masked", tags, "recurrent_pqn", MASKED, 400_000)
    yield entry("r2d2-masked", tags, "r2d2", MASKED, 60_000)
    yield entry("ppo-frozen-lake", "toy-text frozen-lake", "ppo", "FrozenLake-v1", 300_000)
    yield entry("ppo-taxi", "toy-text taxi", "ppo", "Taxi-v4", 400_000)
    yield entry("ppo-blackjack", "toy-text blackjack", "ppo", "Blackjack-v1", 200_000)
    cliff = "toy-text cliff-walking"
    yield entry("double-dqn-cliff-walking", cliff, "double_dqn", "CliffWalking-v1", 50_000)
    words = (
        "ppo --preset default --num-envs 16 --num-steps 1024 --num-epochs 4 --num-minibatches 256 "
        "--gamma 0.999 --lambda_ 0.98 --entropy-coef 0.01 --value-coef 1.0 --no-normalize --jit"
    )
    tags = "box2d lunar-lander"
    yield entry(
        "ppo-lunar-lander", tags, words, "LunarLander-v3", 1_000_000,
        published=(zoo(242.1, 31.8, "1M"),),
    )  # fmt: skip
    tags = "box2d lunar-lander-continuous"
    yield entry(
        "ppo-lunar-lander-continuous", tags, words, "LunarLanderContinuous-v3", 1_000_000,
        published=(zoo(270.9, 32.1, "1M"),),
    )  # fmt: skip


BULLET = {"HalfCheetah": "half-cheetah", "Ant": "ant", "Hopper": "hopper", "Walker2D": "walker2d"}
GSDE = {
    "HalfCheetah": (sb3(2826, 45), zoo(2924.7, 64.5, "2M")),
    "Ant": (sb3(2782, 76), zoo(2865.9, 56.5, "2M")),
    "Hopper": (sb3(2512, 21), zoo(2575.1, 223.3, "2M")),
    "Walker2D": (sb3(2019, 64), zoo(2110.0, 13.9, "2M")),
}
GAUSSIAN = {
    "HalfCheetah": (sb3(1976, 479),),
    "Ant": (sb3(2364, 120),),
    "Hopper": (sb3(1567, 339),),
    "Walker2D": (sb3(1230, 147),),
}
SOFT = {
    "HalfCheetah": (sb3(2984, 202, "sac"), zoo(2792.2, 12.1, "1M")),
    "Ant": (sb3(3102, 37, "sac"), zoo(3073.1, 175.1, "1M")),
    "Hopper": (sb3(2262, 1, "sac"), zoo(2603.5, 164.3, "1M")),
    "Walker2D": (sb3(2136, 67, "sac"), zoo(2292.3, 14.0, "1M")),
}
DELAYED = {
    "HalfCheetah": (sb3(2774, 35, "td3"), zoo(2821.6, 19.7, "1M")),
    "Ant": (sb3(3305, 43, "td3"), zoo(3300.0, 54.6, "1M")),
    "Hopper": (sb3(2429, 126, "td3"), zoo(2681.6, 27.8, "1M")),
    "Walker2D": (sb3(2063, 185, "td3"), zoo(2213.7, 230.6, "1M")),
}
TRUNCATED = {
    "HalfCheetah": (zoo(3675.3, 17.7, "1M"),),
    "Ant": (zoo(3456.7, 248.7, "1M"),),
    "Hopper": (zoo(2662.4, 206.2, "1M"),),
    "Walker2D": (zoo(2508.9, 614.6, "1M"),),
}


def bullet() -> Iterator[Entry]:
    """PyBullet's four: PPO with a Gaussian and with gSDE, then off-policy recipes."""
    for robot, name in BULLET.items():
        env, on = f"{robot}BulletEnv-v0", f"pybullet {name}-bullet on-policy"
        for recipe, published in (("ppo_gsde", GSDE), ("ppo", GAUSSIAN)):
            title = f"{recipe.replace('_', '-')}-{name}-bullet"
            yield entry(title, on, f"{recipe} --jit", env, 2_000_000, published=published[robot])
    for recipe, published in (("sac_gsde", SOFT), ("tqc_gsde", TRUNCATED), ("td3", DELAYED)):
        for robot, name in BULLET.items():
            title = f"{recipe.replace('_', '-')}-{name}-bullet"
            tags, env = f"pybullet {name}-bullet off-policy", f"{robot}BulletEnv-v0"
            long = recipe == "sac_gsde" and robot == "HalfCheetah"  # one of them in full
            given = {"seeds": 3, "published": published[robot]}
            yield entry(title, tags, f"{recipe} --jit", env, 300_000, **given)
            if long:
                yield entry(f"{title}-1m", tags, f"{recipe} --jit", env, 1_000_000, **given)


def hoppers() -> Iterator[Entry]:
    """The other presets that are listed for the hopper, in each of which it is to hop."""
    env, tags = "HopperBulletEnv-v0", "pybullet hopper-bullet"
    for recipe in ("sac", "tqc"):
        yield entry(
            f"{recipe}-hopper-bullet",
            f"{tags} off-policy",
            f"{recipe} --jit",
            env,
            300_000,
            seeds=3,
        )
    on = {"seeds": 3, "published": (sb3(1561, 220),)}  # that page has A2C's, too
    name, words = "a2c-gsde-hopper-bullet", "a2c_gsde --jit"
    yield entry(name, f"{tags} on-policy", words, env, 2_000_000, **on)


def peers() -> Iterator[Entry]:
    """SAC without gSDE, and Stable-Baselines3 with the same settings of DQN, SAC and PPO."""
    tags, given = "classic cartpole-off-policy", {"published": SOLVED_DQN, "process": PEERS}
    yield entry("sb3-dqn-cartpole", tags, "sb3 dqn", "CartPole-v1", 50_000, **given)
    env, tags = "HalfCheetahBulletEnv-v0", "pybullet half-cheetah-bullet-peers"
    yield entry("sac-half-cheetah-bullet", tags, "sac --jit", env, 300_000, seeds=3)
    theirs = {"seeds": 3, "process": PEERS}
    yield entry("sb3-sac-half-cheetah-bullet", tags, "sb3 sac", env, 300_000, **theirs)
    tags = "mujoco half-cheetah-mujoco"
    yield entry(
        "sb3-ppo-half-cheetah-mujoco", tags, "sb3 ppo", "HalfCheetah-v5", 1_000_000, **theirs
    )


def mujoco() -> Iterator[Entry]:
    """Gymnasium's robots."""
    for robot in ("HalfCheetah", "Hopper", "Walker2d"):
        name, env = BULLET.get(robot, robot.lower()), f"{robot}-v5"
        tags = f"mujoco {name}-mujoco"
        yield entry(f"ppo-{name}-mujoco", tags, "ppo --jit", env, 1_000_000, seeds=3)
        yield entry(f"sac-{name}-mujoco", tags, "sac --jit", env, 300_000, seeds=3)


def atari() -> Iterator[Entry]:
    """Pong, by PPO and by IMPALA in da2cs."""
    pong = {"seeds": 1, "cores": 2}
    words = "ppo --preset atari --jit --processes 2"
    theirs = (zoo(21.0, 0.1, "10M"),)
    yield entry("ppo-pong", "atari pong", words, "ALE/Pong-v5", 3_000_000, published=theirs, **pong)
    words = "impala --scheme da2cs --collectors 2 --backend ray --no-normalize --num-envs 8 --jit"
    yield entry("impala-pong", "atari pong", words, "ALE/Pong-v5", 3_000_000, **pong)


SCHEMES = {
    "3cs": "--num-envs 8",
    "3ds": "--learners 2 --backend ray",
    "2dacs": "--learners 2 --backend ray",
    "2daca": "--learners 2 --backend ray",
    "ds2cs": "--collectors 2 --backend ray",
    "da2cs": "--collectors 2 --backend ray",
    "dadacs": "--collectors 2 --learners 2 --backend ray",
    "dadaca": "--collectors 2 --learners 2 --backend ray",
}


def schemes() -> Iterator[Entry]:
    """Eight schemes on one task, with equal env steps; rows have the seconds of each."""
    for name, cuts in SCHEMES.items():
        yield entry(
            f"ppo-{name}-half-cheetah-bullet",
            "schemes half-cheetah-bullet-schemes",
            f"ppo --preset asynchronous --jit --scheme {name} {cuts}",
            "HalfCheetahBulletEnv-v0",
            300_000,
            cores=1 if name == "3cs" else 2,
        )


def goals() -> Iterator[Entry]:
    """Goals with and without hindsight, six rooms with and without a bonus, recorded data in a replay."""
    for label, copies in (("hindsight", True), ("no-hindsight", False)):
        tags, words = f"goals bits {label}", f"double_dqn {label}"
        make = partial(bits, copies)
        yield entry(f"bits-{label}", tags, words, "bit_flipping 20", 50_000, make=make)
        tags, words = f"goals panda-reach {label}", f"sac {label}"
        make = partial(reach, copies)
        yield entry(f"panda-reach-{label}", tags, words, "PandaReach-v3", 30_000, make=make)
    maze, tags, given = "MiniGrid-MultiRoom-N4-S5-v0", "exploration multi-room", {"seeds": 3}
    yield entry("ppo-rnd-multi-room", tags, "ppo_rnd", maze, 1_000_000, **given)
    words = "ppo the same without a bonus"
    yield entry("ppo-multi-room", tags, words, maze, 1_000_000, make=without_bonus, **given)
    tags, words = "offline pendulum-offline", "sac half of batches of recorded data"
    yield entry("sac-recorded-pendulum", tags, words, SWING, 20_000, make=recorded_and_new)


ALL = [
    *classic(), *pieces(), *small(), *goals(), *bullet(), *hoppers(), *mujoco(), *peers(), *schemes(),
    *atari(),
]  # fmt: skip
ENTRIES = {each.name: each for each in ALL}
"""The entries by name."""
