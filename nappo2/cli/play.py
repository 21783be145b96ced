"""``nappo2 play``: films an episode of a trained agent, or shows it in a window."""

import json
from dataclasses import dataclass
from pathlib import Path

import tyro


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
    """

    run: tyro.conf.Positional[Path]
    env: str | None = None
    output: Path | None = None
    window: bool = False
    steps: int = 1_000
    seed: int = 0
    fps: int = 30


def run(argv: list[str]) -> int:
    """Writes the film or shows the episode, and prints one JSON object.

    Raises:
        ValueError: if the environment has no pictures, or no window.
    """
    from nappo2.cli.saved import env_id, load_agent_run, make_agent
    from nappo2.envs import TORCH
    from nappo2.runs.evaluate import evaluate
    from nappo2.show import video

    options = tyro.cli(Play, args=argv, prog="nappo2 play")
    saved_run = load_agent_run(options.run)
    name = env_id(saved_run.description, options.env, options.run)
    is_torch = name in TORCH  # which draw without a render mode, and have no window

    def make_rendered(render_mode):
        try:
            return make_agent(saved_run, name, 1, render_mode=render_mode)
        except ValueError as error:
            raise ValueError(f"{name} cannot be shown: {error}; nappo2 eval plays it") from error

    if options.window:
        if is_torch:
            raise ValueError(f"{name} has no window; without --window it is filmed")
        env, recipe = make_rendered("human")
        score = evaluate(env, recipe.greedy, saved_run.params, 1, options.seed).returns.item()
        print(json.dumps({"run": str(options.run), "episode_return": round(score, 3)}))
        return 0
    env, recipe = make_agent(saved_run, name, 1) if is_torch else make_rendered("rgb_array")
    film = video(env, recipe.greedy, saved_run.params, options.steps, options.seed, options.fps)
    path = film.save(options.output or options.run / "play.mp4")
    labels = {"run": str(options.run), "episode_return": round(film.score, 3), "output": str(path)}
    print(json.dumps(labels | {"frames": film.num_frames, "ended": film.ended}))
    return 0
