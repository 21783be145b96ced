"""``nappo2 play``: films an episode of a trained agent, or shows it in a window."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from nappo2.cli.words import INTEGERS, print_result


@dataclass(frozen=True)
class Play:
    """Films an episode of the agent of a run, always with its most probable action.

    Attributes:
        run: the directory of the run.
        env: by default that of the run, unless it is of a module to be imported.
        output: the file of the film; by default play.mp4 in the run's directory.
        window: whether to show it in a window instead.
        steps: at most.
        seed: of the episode.
        fps: frames per second.
        best: whether to take the params of the best evaluation instead of the last ones.
        member: which agent of a population.
    """

    run: tyro.conf.Positional[Path]
    env: str | None = None
    output: Path | None = None
    window: bool = False
    steps: int = 1_000
    seed: int = 0
    fps: int = 30
    best: bool = False
    member: int | None = None


def run(argv: list[str]) -> int:
    """Writes the film or shows the episode, and prints one JSON object.

    Raises:
        ValueError: if the environment has no pictures, or no window, or there can be no such output.
    """
    from nappo2 import load, load_run
    from nappo2.cli.saved import agent_file, env_of
    from nappo2.envs import TORCH
    from nappo2.runs.evaluate import evaluate
    from nappo2.saving.outputs import check_output
    from nappo2.show import video

    options = tyro.cli(Play, args=argv, prog="nappo2 play", registry=INTEGERS)
    if options.output is not None:
        check_output(options.output, ".mp4")
    agent = load(agent_file(options.run, options.best), member=options.member)
    saved_run, policy = load_run(options.run), agent.recipe.greedy
    name = options.env or saved_run.description.get("env", "")
    env = env_of(saved_run, options.env, 1)
    is_torch = env.render is not None and name in TORCH  # draws without a mode, and has no window

    def make_rendered(render_mode):
        try:
            return env_of(saved_run, options.env, 1, render_mode=render_mode)
        except ValueError as error:
            raise ValueError(f"{name} cannot be shown: {error}; nappo2 eval plays it") from error

    if options.window:
        if is_torch:
            raise ValueError(f"{name} has no window; without --window it is filmed")
        env = make_rendered("human")
        score = evaluate(env, policy, agent.params, 1, options.seed).returns.item()
        print_result({"run": str(options.run), "episode_return": round(score, 3)})
        return 0
    env = env if is_torch else make_rendered("rgb_array")
    film = video(env, policy, agent.params, options.steps, options.seed, options.fps)
    path = film.save(options.output or options.run / "play.mp4")
    labels = {"run": str(options.run), "episode_return": round(film.score, 3), "output": str(path)}
    print_result(labels | {"frames": film.num_frames, "ended": film.ended})
    return 0
