"""Draws the training schemes into docs/pictures: ``python docs/draw_schemes.py``."""

from pathlib import Path

from nappo2 import PPO, envs, ppo, scheme, serial
from nappo2.schemes import PAPERS, SCHEMES, TAKES
from nappo2.show._diagram import picture

FOLDER = Path(__file__).parent / "pictures"


def drawings() -> dict[str, str]:
    """The text of each picture, by its name."""
    recipe = ppo(envs.cartpole(8), PPO(num_steps=32, num_epochs=4, num_minibatches=4))
    far = serial._replace(remote=True)  # drawn as on Ray, which is not started for that
    given = {"collectors": 4, "learners": 2, "on": far}
    pipes = {
        name: scheme(name, recipe, **{key: given[key] for key in given if key in TAKES[name]})
        for name in SCHEMES
    }
    each = {f"{name}.svg": picture({name: pipe}) for name, pipe in pipes.items()}
    return each | {"schemes.svg": picture({name: pipes[name] for name in PAPERS})}


if __name__ == "__main__":
    for name, drawn in drawings().items():
        (FOLDER / name).write_text(drawn + "\n")
