"""``nappo2 play``."""

import json
from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True)
class Play:
    """Films an episode of the agent of a run, always with its most probable action.

    Attributes:
        run: the directory that it left.
        env: in which it acts; by default that of the run, unless it is of a module to be imported.
        output: the film; by default play.mp4 in the run's directory.
        window: whether to show it in a window instead, while it happens.
        steps: at most so many.
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
    """Writes the film, or shows it, and prints one JSON object."""
    from nappo2.cli.saved import env_id, rebuilt, saved
    from nappo2.envs import TORCH
    from nappo2.runs.evaluate import evaluate
    from nappo2.show import video

    options = tyro.cli(Play, args=argv, prog="nappo2 play")
    found = saved(options.run)
    name = env_id(found.described, options.env, options.run)
    drawn = name in TORCH  # which need nothing to be drawn, and have no window

    def shown(render_mode):
        try:
            return rebuilt(found, name, 1, render_mode=render_mode)
        except ValueError as error:
            raise ValueError(f"{name} cannot be shown: {error}; nappo2 eval plays it") from error

    if options.window:
        if drawn:
            raise ValueError(f"{name} has no window; without --window it is filmed")
        env, recipe = shown("human")
        score = evaluate(env, recipe.greedy, found.params, 1, options.seed).returns.item()
        print(json.dumps({"run": str(options.run), "episode_return": round(score, 3)}))
        return 0
    env, recipe = rebuilt(found, name, 1) if drawn else shown("rgb_array")
    film = video(env, recipe.greedy, found.params, options.steps, options.seed, options.fps)
    path = film.save(options.output or options.run / "play.mp4")
    said = {"run": str(options.run), "episode_return": round(film.score, 3), "output": str(path)}
    print(json.dumps(said | {"frames": film.num_frames, "ended": film.ended}))
    return 0
