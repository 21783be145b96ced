"""Files of rl-zoo3 as presets of a command line."""

import pytest

from nappo2.cli.train_options import parse
from nappo2.recipes import GsdePPO

TEXT = """
CartPole-v1:
  n_timesteps: 1000
  n_envs: 2
  n_steps: 16
  batch_size: 32
Pendulum-v1: {n_timesteps: 500, use_sde: true, frame_stack: 2}
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "ppo.yml").write_text(TEXT)
    return str(tmp_path / "ppo.yml")


def test_an_entry_gives_the_defaults_of_all_options(path):
    options = parse("ppo", ["--env", "torch/CartPole-v1", "--preset", path, "--gamma", "0.9"])
    assert (options.env, options.total_steps, options.num_envs) == ("torch/CartPole-v1", 1000, 2)
    config = options.config
    assert (config.num_steps, config.num_minibatches, config.gamma) == (16, 1, 0.9)


def test_another_entry_stands_behind_a_colon(path):
    options = parse("ppo_gsde", ["--env", "CartPole-v1", "--preset", f"{path}:Pendulum-v1"])
    assert isinstance(options.config, GsdePPO) and options.total_steps == 500
    assert options.frame_stack == 2


def test_an_entry_of_another_recipe_is_named(path):
    with pytest.raises(ValueError, match="is of ppo_gsde, not of ppo: nappo2 train ppo_gsde takes"):
        parse("ppo", ["--env", "Pendulum-v1", "--preset", path])
    with pytest.raises(ValueError, match="is of ppo, not of sac"):
        parse("sac", ["--env", "CartPole-v1", "--preset", path])
    with pytest.raises(ValueError, match="cannot be read"):
        parse("ppo", ["--env", "CartPole-v1", "--preset", "nothing/ppo.yml"])


def test_of_a_file_of_another_name_the_recipe_says_how_to_read_it(path, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(TEXT)
    options = parse("ppo_gsde", ["--env", "Pendulum-v1", "--preset", str(mine)])
    assert options.config.initial_log_std == 0.0
