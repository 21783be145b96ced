"""Whatever made a run: its agent acts, is evaluated and filmed, and it goes on."""

import json
from dataclasses import fields
from itertools import product

import numpy as np
import pytest

from nappo2 import Learner, envs, evaluate, load, scheme
from nappo2.cli import main
from nappo2.recipes import RECIPES
from nappo2.show import load_run
from tests.makers.recipes import CONFIGS, fits

STEPS = 64
IDS = {"numbers, discrete": "torch/CartPole-v1", "numbers, continuous": "torch/Pendulum-v1"}

pytestmark = pytest.mark.usefixtures("without_curves")


def id_of(name):
    """An environment that goes with the recipe."""
    return next(IDS[env] for env in IDS if fits(name, env, "uniform"))


def words_of(config):
    """A configuration as options of a command line."""
    for field in fields(config):
        value, name = (
            getattr(config, field.name),
            field.name[:-1].replace("_", "-") + field.name[-1],
        )
        if isinstance(value, bool):
            yield f"--{'' if value else 'no-'}{name}"
        elif value is not None:
            yield f"--{name}"
            yield from map(str, value if isinstance(value, tuple) else (value,))


def said(capsys, *args):
    """The JSON that a command prints last."""
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, args)])
    printed = capsys.readouterr()
    assert stopped.value.code == 0, printed.err
    return json.loads(printed.out.splitlines()[-1])


def on_the_command_line(name, folder, capsys):
    said(
        capsys, "train", name, "--env", id_of(name), "--num-envs", 2, "--total-steps", STEPS,
        "--log-dir", folder, *words_of(CONFIGS[name]),
    )  # fmt: skip


def in_a_notebook(name, folder, capsys):
    recipe = RECIPES[name](envs.make(id_of(name), 2), CONFIGS[name])
    run = Learner(
        scheme("3cs", recipe), recipe.init(0), 0, STEPS, folder,
        checkpoint_every=STEPS, progress=False,
    )  # fmt: skip
    run.run().close()


def act(folder, capsys):
    agent = load(folder)
    shown = np.zeros(agent.recipe.env.observation_spec.shape, np.float32)
    assert agent.recipe.env.action_space.contains(agent.act(shown))


def evaluated(folder, capsys):
    """Twice the same, and what Python says."""
    agent = load(folder)
    result = said(capsys, "eval", folder, "--episodes", 2, "--num-envs", 1)
    env = envs.make(load_run(folder).description["env"], 1)
    theirs = evaluate(env, agent.recipe.greedy, agent.params, 2)
    assert result["mean_return"] == round(float(theirs.returns.mean()), 3)


def played(folder, capsys):
    pytest.importorskip("imageio_ffmpeg")
    result = said(capsys, "play", folder, "--steps", 2)
    assert 2 <= result["frames"] <= 3 and (folder / "play.mp4").stat().st_size > 500


def resumed(folder, capsys):
    before = load_run(folder).metrics[-1]["env_steps"]
    result = said(capsys, "resume", folder, "--total-steps", 2 * STEPS)
    assert before >= STEPS and result["env_steps"] >= 2 * STEPS and not result["interrupted"]
    assert load_run(folder).metrics[0]["env_steps"] < before


MADE = {"CLI": on_the_command_line, "notebook": in_a_notebook}
USED = (act, evaluated, played, resumed)


@pytest.mark.parametrize(("name", "where"), list(product(RECIPES, MADE)))
def test_a_run_of_each_recipe_is_used(name, where, tmp_path, capsys):
    """184 of 184: 23 recipes, made in 2 places, used in 4 ways."""
    MADE[where](name, tmp_path / "run", capsys)
    for use in USED:
        use(tmp_path / "run", capsys)


def test_a_run_whose_recipe_had_pieces_of_its_own_is_resumed_in_python_alone(tmp_path, capsys):
    recipe = RECIPES["ppo"](envs.cartpole(2), CONFIGS["ppo"])
    loss = recipe.loss
    recipe = recipe.replace(loss=lambda params, batch: loss(params, batch))
    run = Learner(
        scheme("3cs", recipe), recipe.init(0), 0, 16, tmp_path, checkpoint_every=16, progress=False
    )
    run.run().close()
    with pytest.raises(SystemExit) as stopped:
        main(["resume", str(tmp_path), "--total-steps", "32"])
    assert stopped.value.code == 2
    assert "the run's ppo was given loss of its own, which no file says" in capsys.readouterr().err
    assert said(capsys, "eval", tmp_path, "--episodes", 1)["episodes"] == 1
