"""``python -m benchmarks.registry [pattern ...]``: every environment of Gymnasium's registry, by id.

Each that can be made and reset here takes 1,000 steps with the first recipe that takes it, or is
refused in a sentence. Packages that register environments are imported if they are installed. What
came of each goes to runs/registry.jsonl, and tables by family to runs/registry.md. The exit code is 1
if one failed otherwise. Patterns are of ids, such as ``Fetch*``; without any, all are tried.

Environments are tried one after the other in a process of their own, which is ended if one takes
longer than two minutes, and started again for the rest: simulators in C++ may take it down with them.
"""

import fnmatch
import importlib
import json
import re
import selectors
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

NUM_STEPS, NUM_ENVS, SECONDS = 1_000, 2, 120.0
PACKAGES = "ale_py", "minigrid", "gymnasium_robotics", "panda_gym", "pybullet_envs_gymnasium"
FAMILIES = {
    "gymnasium.envs.toy_text": "toy text",
    "gymnasium.envs.classic_control": "classic control",
    "gymnasium.envs.box2d": "Box2D",
    "gymnasium.envs.mujoco": "MuJoCo",
    "gymnasium.envs.phys2d": "JAX physics",
    "gymnasium.envs.tabular": "JAX tabular",
    "gymnasium.envs": "Shimmy",
    "ale_py": "Atari",
    "minigrid": "MiniGrid, BabyAI",
    "gymnasium_robotics": "Gymnasium-Robotics",
    "panda_gym": "Panda",
    "pybullet_envs_gymnasium": "PyBullet",
}
RAN, REFUSED, UNMADE, FAILED = "ran", "refused", "cannot be made", "failed"


class Outcome(NamedTuple):
    """What came of an environment: ``text`` is the recipe with which it ran, or why it did not."""

    env_id: str
    family: str
    verdict: str
    text: str
    seconds: float


def main(patterns: list[str]) -> int:
    folder = Path("runs")
    folder.mkdir(exist_ok=True)
    outcomes: list[Outcome] = []
    with open(folder / "registry.jsonl", "w") as file:
        for outcome in tried(ids(patterns)):
            outcomes.append(outcome)
            print(json.dumps(outcome._asdict()), file=file, flush=True)
            print(f"{outcome.verdict:14} {outcome.env_id}: {outcome.text}", flush=True)
    page = tables(outcomes)
    (folder / "registry.md").write_text(page)
    print(page)
    return int(any(outcome.verdict == FAILED for outcome in outcomes))


def ids(patterns: Iterable[str]) -> list[str]:
    """The ids of the registry that match one of the patterns, or all."""
    import gymnasium

    import_packages()
    chosen = list(patterns) or ["*"]
    return [x for x in gymnasium.registry if any(fnmatch.fnmatchcase(x, p) for p in chosen)]


def import_packages() -> None:
    """Imports the packages that register environments; what they print is of no interest."""
    from nappo2.envs._pybullet import silent

    for package in PACKAGES:
        try:
            with silent(1, 2), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(package)
        except ImportError:
            print(f"{package} is not installed", flush=True)


def family_of(env_id: str) -> str:
    """The family of a registered id, by the module that makes it."""
    import gymnasium

    entry = gymnasium.registry[env_id].entry_point
    entry = entry if isinstance(entry, str) else getattr(entry, "__module__", "?")
    matching = (name for module, name in FAMILIES.items() if entry.startswith(module))
    return next(matching, entry.partition(".")[0])


# --- processes


def tried(env_ids: list[str]) -> Iterator[Outcome]:
    """The outcome of each environment, in their order."""
    rest = list(env_ids)
    while rest:
        done = 0
        for outcome in served(rest):
            done += 1
            yield outcome
        if done < len(rest):  # the process was ended, or ended itself, in the next one
            lost = rest[done]
            text = f"its process ended, or took more than {SECONDS:.0f} s"
            yield Outcome(lost, family_of(lost), FAILED, text, SECONDS)
        rest = rest[done + 1 :]


def served(env_ids: list[str]) -> Iterator[Outcome]:
    """Outcomes of a process, until it has tried all, ends, or is silent for too long."""
    command = [sys.executable, "-m", "benchmarks.registry", "--serve"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            process.stdin.write(json.dumps(env_ids) + "\n")
            process.stdin.flush()
            for line in lines_of(process):
                yield Outcome(**json.loads(line))
        finally:
            process.kill()


def lines_of(process: subprocess.Popen) -> Iterator[str]:
    """Lines of JSON that a process writes, until it ends or writes none for too long."""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(SECONDS):
            line = process.stdout.readline()
            if not line:
                return
            if line.startswith('{"env_id"'):
                yield line


def serve() -> int:
    """The process: reads a list of ids, and writes a line of JSON for each."""
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    env_ids = json.loads(sys.stdin.readline())
    import_packages()
    for env_id in env_ids:
        start = time.perf_counter()
        verdict, text = outcome_of(env_id)
        seconds = round(time.perf_counter() - start, 2)
        outcome = Outcome(env_id, family_of(env_id), verdict, text, seconds)
        print("\n" + json.dumps(outcome._asdict()), flush=True)  # after what simulators print
    return 0


# --- one environment


def outcome_of(env_id: str) -> tuple[str, str]:
    """A verdict and its text."""
    from nappo2 import envs

    try:
        verdict, text = run(envs.make(env_id, NUM_ENVS))
        unmade = why_unmade(env_id) if verdict == FAILED else ""
        return (UNMADE, unmade) if unmade else (verdict, text)
    except (ValueError, NotImplementedError) as error:
        refusal = " ".join(str(error).split())
    except Exception as error:
        refusal, reason = "", f"{type(error).__name__}: {' '.join(str(error).split())}"
    unmade = why_unmade(env_id)
    if unmade:
        return UNMADE, unmade
    return (REFUSED, refusal) if refusal else (FAILED, reason)


def why_unmade(env_id: str) -> str:
    """Why Gymnasium itself can not make or reset an environment; empty if it can."""
    import gymnasium

    try:
        env = gymnasium.make(env_id, disable_env_checker=True)
        env.reset(seed=0)
        env.close()
    except BaseException as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return ""


def run(env) -> tuple[str, str]:
    """Takes 1,000 steps with the first recipe that takes an environment.

    Raises:
        ValueError: if none does, with the reason of the first.
        NotImplementedError: likewise.
    """
    from nappo2 import recipes

    refusals = []
    for name, config in configs().items():
        try:
            recipe = recipes.RECIPES[name](env, config)
        except (ValueError, NotImplementedError) as error:
            refusals.append(error)
            continue
        try:
            take_steps(recipe)
        except Exception as error:  # a recipe that takes an environment is to run
            text = " ".join(str(error).split())
            return FAILED, f"{name}: {type(error).__name__}: {text}"
        return RAN, name
    raise refusals[0]


def configs() -> dict:
    """The recipes that are tried, in this order, with networks that take no time."""
    from nappo2 import recipes

    replay = {"num_steps": 25, "start_steps": 100, "capacity": NUM_STEPS, "update_ratio": 0.05}
    replay |= {"batch_size": 32, "hidden": (16,)}
    passes = {"num_steps": 125, "num_epochs": 1, "num_minibatches": 5}
    return {
        "ppo": recipes.PPO(hidden=(16,), **passes),
        "dqn": recipes.DQN(**replay),
        "sac": recipes.SAC(**replay),
    }


def take_steps(recipe) -> None:
    """Trains for 1,000 env steps.

    Raises:
        AssertionError: if params are not finite afterwards.
    """
    from nappo2 import Learner, scheme
    from nappo2.params import non_finite

    run = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=NUM_STEPS, progress=False)
    try:
        run.run()
        assert run.env_steps >= NUM_STEPS and non_finite(run.params) is None
    finally:
        run.close()


# --- tables


def tables(outcomes: list[Outcome]) -> str:
    """Tables in Markdown: numbers by family, and the sentences that refuse, by number."""
    families = dict.fromkeys(outcome.family for outcome in outcomes)
    names = [RAN, REFUSED, FAILED, UNMADE]
    head = [
        "| family | ids | can be made | run 1,000 steps | with | refused | failed |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = [_row(family, [x for x in outcomes if x.family == family]) for family in families]
    total = [_row("all", outcomes)] if len(families) > 1 else []
    parts = ["\n".join(head + rows + total)]
    for name in names[1:]:
        if found := [x for x in outcomes if x.verdict == name]:
            parts.append(_sentences(name, found))
    return "\n\n".join(parts) + "\n"


def _row(family: str, outcomes: list[Outcome]) -> str:
    verdicts = Counter(outcome.verdict for outcome in outcomes)
    recipes = Counter(outcome.text for outcome in outcomes if outcome.verdict == RAN)
    made = len(outcomes) - verdicts[UNMADE]
    numbers = [len(outcomes), made, verdicts[RAN]]
    by_recipe = ", ".join(f"{name} {num}" for name, num in recipes.most_common())
    cells = [family, *numbers, by_recipe, verdicts[REFUSED], verdicts[FAILED]]
    return f"| {' | '.join(map(str, cells))} |"


def _sentences(verdict: str, outcomes: list[Outcome]) -> str:
    """A table of why, with an example of each: sentences are alike without ids and numbers."""
    kinds: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        kinds.setdefault((outcome.family, _kind(outcome)), []).append(outcome)
    lines = [f"| {verdict} | ids | for example | why |", "|---|---|---|---|"]
    for (family, _), alike in sorted(kinds.items(), key=lambda x: -len(x[1])):
        text = alike[0].text.replace("|", "\\|")
        lines.append(f"| {family} | {len(alike)} | `{alike[0].env_id}` | {text} |")
    return "\n".join(lines)


def _kind(outcome: Outcome) -> str:
    bare = outcome.env_id.rpartition("/")[2]
    return re.sub(r"[\d.-]+", "0", re.sub(r"'[^']*'", "''", outcome.text.replace(bare, "")))[:60]


if __name__ == "__main__":
    sys.exit(serve() if sys.argv[1:] == ["--serve"] else main(sys.argv[1:]))
