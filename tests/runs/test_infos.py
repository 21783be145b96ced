"""What environments tell of episodes, in reports, rows, files, evaluations and pictures."""

import math
from functools import partial

import pytest
import torch

from nappo2 import Learner, collect, dqn, envs, evaluate, load_run, population, ppo, scheme, until
from nappo2.reports import Report, flat, is_free, join
from nappo2.runs.curve import draw_curve
from nappo2.runs.evaluate import Evaluation, joined
from nappo2.runs.recorder import Recorder
from nappo2.show import dashboard
from tests.makers.environments import Exam, quick_walk
from tests.makers.logged import of_tensorboard
from tests.makers.recipes import SMALL_PPO


def exam_run(log_dir=None, target_steps=64, **options):
    recipe = ppo(envs.make(Exam, 2, info_keywords=("score",)), SMALL_PPO)
    pipe, params = scheme("3cs", recipe), recipe.init(0)
    return Learner(pipe, params, 1, target_steps, log_dir, progress=False, **options), recipe


def test_episodes_that_tell_nothing_are_nan_beside_those_that_do():
    first = Report(episodes={"return": torch.ones(2), "length": torch.ones(2)})
    second = Report(episodes={"return": torch.ones(1), "is_success": torch.zeros(1)})
    episodes = join([first, Report(), second]).episodes
    assert episodes["is_success"].isnan().tolist() == [True, True, False]
    assert episodes["return"].tolist() == [1, 1, 1]


def test_a_mean_is_over_the_episodes_that_tell():
    """Successes 1, 0 and 1 of five episodes are a rate of 2/3; a number that none tells has no column."""
    success = torch.tensor([1, math.nan, 0, 1, math.nan])
    nothing = torch.full((5,), math.nan)
    ones = torch.ones(5)
    columns = {"return": ones, "length": ones, "is_success": success, "depth": nothing}
    report = Report(sums={"env_steps": 5}, episodes=columns)
    recorder = Recorder()
    recorder.add(report, 1.0)
    row = recorder.row(exam_run()[1].init(0))
    assert row["success_rate"] == pytest.approx(2 / 3) and "episode_depth" not in row
    assert flat(report)["success_rate"] == pytest.approx(2 / 3)
    assert Evaluation(ones, ones, {"is_success": success}).success_rate == pytest.approx(2 / 3)
    assert math.isnan(Evaluation(ones, ones).success_rate)


def test_the_rate_is_of_the_last_hundred_episodes():
    """Of 150 episodes the first 90 fail: 60 of the last 100 are successes."""
    recorder, params = Recorder(), exam_run()[1].init(0)
    for success in [0.0] * 90 + [1.0] * 60:
        one = torch.ones(1)
        told = {"return": one, "length": one, "is_success": torch.tensor([success])}
        recorder.add(Report(sums={"env_steps": 1}, episodes=told), 1.0)
        row = recorder.row(params)
    assert row["success_rate"] == 0.6


def test_rows_files_and_loggers_have_what_is_told(tmp_path):
    test = partial(evaluate, envs.make(Exam, 2, info_keywords=("score",)))
    _, recipe = exam_run()
    test = partial(test, recipe.greedy, num_episodes=6)
    options = {"evaluate": test, "evaluate_every": 32, "loggers": ["tensorboard"]}
    run, _ = exam_run(tmp_path, **options)
    run.set(learning_rate=1e-4)
    rows = list(run)
    run.close()
    assert 0 < rows[-1]["success_rate"] < 1 and "episode_score" in rows[-1]
    names = {"success_rate", "episode_score", "evaluation_success_rate", "evaluation_score"}
    assert names <= set(load_run(tmp_path).metrics[-1])
    assert names <= {name for row in of_tensorboard(tmp_path / "tensorboard") for name in row}
    assert (tmp_path / "curve.png").stat().st_size > 10_000


def test_an_evaluation_has_what_is_told_of_each_of_its_episodes():
    """It tells ten times each return, and whether it is above 0."""
    _, recipe = exam_run()
    env = envs.make(Exam, 3, info_keywords=("score",))
    result = evaluate(env, recipe.greedy, recipe.init(0), num_episodes=8, seed=2)
    assert result.infos["score"].tolist() == pytest.approx((10 * result.returns).tolist(), rel=1e-5)
    assert (result.infos["is_success"] == (result.returns > 0)).all()
    assert result.success_rate == (result.returns > 0).float().mean()
    assert f"{result.success_rate:.0%} successes" in repr(result)
    assert len(joined([result, result]).infos["score"]) == 16


def test_a_run_ends_at_a_success_rate():
    run, _ = exam_run(target_steps=10_000, until=until(success_rate=0.01))
    rows = list(run)
    assert run.stopped.startswith("success_rate") and len(rows) < 10


def test_what_was_told_is_saved_and_goes_on(tmp_path):
    """Half a run, and the other half from its checkpoint, have the rates of a whole one."""
    whole = list(exam_run(target_steps=128)[0])
    half, _ = exam_run(tmp_path / "half", 64, checkpoint_every=64)
    list(half)
    half.close()
    rest, _ = exam_run(None, 128)
    rest.resume(tmp_path / "half")
    row = list(rest)[-1]
    same = ("success_rate", "episode_score", "episode_return")
    assert [row[name] for name in same] == [whole[-1][name] for name in same]


def test_pairs_of_an_older_checkpoint_are_episodes_too(tmp_path):
    from nappo2.saving.saved_learner import check_counters

    counters = exam_run()[0].recorder.counters() | {
        "seed": 0,
        "given": exam_run()[1].init(0)["hyper"],
    }
    old = check_counters(counters | {"episodes": [(1.5, 4), [2.5, 4]]})
    assert old["episodes"][1] == {"return": 2.5, "length": 4}
    with pytest.raises(ValueError, match="no return and length"):
        check_counters(counters | {"episodes": [{"return": 1.0}]})


@pytest.mark.parametrize("name", ["return", "length", "return_std", "member", "return_3", "std"])
def test_a_number_of_an_episode_has_a_name_of_its_own(name):
    assert not is_free(name)
    with pytest.raises(ValueError, match=f"an episode has a '{name}' of its own"):
        envs.make(Exam, info_keywords=(name,))


def test_an_environment_of_ones_own_that_takes_such_a_name_is_told():
    env = envs.cartpole(2, time_limit=4)

    def step(state, action):
        state, observation, outcome = env.step(state, action)
        return state, observation, outcome._replace(info={"length": torch.ones(2)})

    recipe = ppo(env._replace(step=step), SMALL_PPO)
    pipe = scheme("3cs", recipe)
    with pytest.raises(ValueError, match="has a 'length' of its own"):
        pipe.step(recipe.init(0), pipe.init(recipe.init(0), 0))


@pytest.mark.parametrize("jit", [False, True])
def test_torch_environments_tell_too_eager_and_compiled(jit):
    """An episode is a success if it ended before its limit; else it ends at -4, -2 or 0."""
    env = quick_walk(64)
    recipe = ppo(env, SMALL_PPO)
    source = collect(env, recipe.policy, 6, jit=jit)
    _, rollout, report = source.step(recipe.init(0), source.init(recipe.init(0), 0))
    ends = rollout["next", "done"]
    assert report.episodes["is_success"].tolist() == rollout["next", "terminated"][ends].tolist()
    assert "info" not in rollout["next"].keys() and 0 < report.episodes["is_success"].mean() < 1
    assert set(report.episodes["place"].tolist()) <= {2, 0, -2, -4}


def test_goals_of_flipped_bits_tell_of_successes():
    env = envs.bit_flipping(64, num_bits=2)
    result = evaluate(env, dqn(env).greedy, dqn(env).init(0), num_episodes=64)
    assert result.success_rate == (result.returns > -2).float().mean()


def test_members_of_a_population_tell_too():
    recipe = population(ppo(quick_walk(8), SMALL_PPO), 2)
    pipe = scheme("3cs", recipe)
    _, _, report = pipe.step(recipe.init(0), pipe.init(recipe.init(0), 0))
    assert len(report.episodes["is_success"]) == len(report.episodes["member"]) > 0


def test_pictures_show_rates_where_there_are_some(tmp_path):
    run, _ = exam_run()
    rows = list(run)
    plain = [{k: x for k, x in row.items() if k != "success_rate"} for row in rows]
    paths = [draw_curve(x, tmp_path / f"{i}.png") for i, x in enumerate([rows, plain])]
    assert paths[0].stat().st_size != paths[1].stat().st_size
    assert dashboard(run)[:4] == b"\x89PNG"
