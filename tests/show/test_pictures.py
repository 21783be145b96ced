"""Curves, comparisons, films and the live view; runs as they are found on disk."""

import sys
import types
from importlib import import_module
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from nappo2 import (
    PPO,
    Learner,
    compare,
    envs,
    live,
    load_run,
    plot,
    population,
    ppo,
    report,
    scheme,
    video,
)
from nappo2.runs.curve import draw_curve, on_one_grid
from nappo2.runs.metrics import Metrics
from nappo2.show import dashboard
from nappo2.show._video import Video, frames
from nappo2.show.comparison import Comparison
from nappo2.show.members import members
from nappo2.show.pictures import as_picture, new_figure
from nappo2.show.runs import SavedRun, environment_of, group_runs

RECIPE = ppo(envs.cartpole(2), PPO(num_steps=32, num_minibatches=2, num_epochs=2, hidden=(8,)))
PNG = b"\x89PNG"
panels = import_module("nappo2.show._dashboard")


def learner(**options):
    options = {"target_steps": 256, "progress": False} | options
    return Learner(scheme("3cs", RECIPE), RECIPE.init(0), **options)


def saved(returns, algorithm="ppo", env="A", **description):
    """A run of 10 env steps per row."""
    rows = [{"env_steps": 10 * (i + 1), "episode_return": x} for i, x in enumerate(returns)]
    description = {"algorithm": algorithm, "env": env} | description
    return SavedRun(Metrics(rows), description, None, None)


def open_figures():
    return (
        sys.modules["matplotlib.pyplot"].get_fignums() if "matplotlib.pyplot" in sys.modules else []
    )


def test_what_is_on_disk_is_the_run(tmp_path, same):
    run = learner(log_dir=tmp_path).run()
    found = load_run(tmp_path)
    assert [row["env_steps"] for row in found.metrics] == [64, 128, 192, 256]
    assert same(found.params, run.params) and found.description["algorithm"] == "ppo"
    assert "256 env steps" in repr(found)


def test_a_line_that_a_kill_tore_is_left_out(tmp_path):
    learner(log_dir=tmp_path).run()
    path = tmp_path / "metrics.csv"
    path.write_text(path.read_text()[:-12])
    assert [row["env_steps"] for row in load_run(tmp_path).metrics] == [64, 128, 192]


def test_a_line_that_is_torn_within_a_number_is_left_out(tmp_path):
    """A learning rate of 1e-5 whose last digit is missing is no number."""
    whole = "env_steps,learning_rate\r\n64,1e-05\r\n"
    for torn in ("128,1e-", "128,-", '128,"', "1"):
        (tmp_path / "metrics.csv").write_text(whole + torn, newline="")
        assert load_run(tmp_path).metrics == [{"env_steps": 64.0, "learning_rate": 1e-5}]


@pytest.mark.parametrize(
    ("line", "text"),
    [("1,2,3", "more cells than there are columns"), ("much,2", "string to float: 'much'")],
)
def test_rows_that_are_damaged_are_said_to_be(line, text, tmp_path):
    (tmp_path / "metrics.csv").write_text(f"env_steps,loss\n{line}\n")
    with pytest.raises(ValueError, match=f"metrics.csv is damaged: .*{text}"):
        load_run(tmp_path)


def test_texts_that_were_recorded_are_read_and_not_drawn(tmp_path):
    run = learner(log_dir=tmp_path)
    for row in run:
        run.record(phase="warm,\n\u2028up", height=row["env_steps"] / 2)
    run.close()
    rows = load_run(tmp_path).metrics
    assert [row.get("phase") for row in rows] == [None, *["warm,\n\u2028up"] * 3]
    assert rows[-1]["height"] == 96.0 and compare(tmp_path, "height").iqm == [96.0]
    for show in (plot, compare):
        with pytest.raises(ValueError, match="'phase'"):
            show(tmp_path, y="phase")


def test_no_run_is_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no run in .*: it has no metrics.csv"):
        load_run(tmp_path / "nothing")


def test_metrics_become_a_data_frame_and_a_table():
    run = learner().run()
    frame = run.metrics.to_pandas()
    assert len(frame) == 4 and frame["env_steps"].iloc[-1] == 256
    assert "env_steps" in run.metrics._repr_html_() and len(run.metrics._repr_html_()) < 50_000


def test_runs_are_grouped_by_all_but_their_seeds():
    runs = [
        saved([1.0], seed=0, log_dir="x"),
        saved([2.0], seed=1, log_dir="y"),
        saved([3.0], "a2c", seed=0),
        saved([4.0], config={"clip_eps": 0.1}),
    ]
    assert {name: len(some) for name, some in group_runs(runs[:3]).items()} == {"ppo": 2, "a2c": 1}
    names = group_runs([runs[0], saved([1.0], config={"clip_eps": 0.1}, seed=3)])
    assert list(names) == ["clip_eps ?", "clip_eps 0.1"]


def test_one_run_is_a_group_of_one_and_is_not_trained():
    """A Learner can be iterated over, which takes its steps: a name for it alone draws what it has."""
    run = learner()
    run.step()
    for show in (plot, compare, report):
        show({"mine": run}, y="loss")
    assert run.env_steps == 64 and list(group_runs({"mine": run})) == ["mine"]


def test_a_path_is_a_group_of_one(tmp_path):
    learner(log_dir=tmp_path).run().close()
    assert compare({"mine": str(tmp_path)}, "env_steps").iqm == [256.0]


def test_a_folder_that_is_named_twice_is_one_run(tmp_path):
    """As by overlapping patterns: an interval would be narrower than its seeds tell."""
    for name in ("seed-0", "seed-1"):
        learner(log_dir=tmp_path / name).run().close()
    (tmp_path / "latest").symlink_to("seed-1")
    others = [str(tmp_path / "seed-0"), tmp_path / "latest"]
    assert compare([tmp_path, *others], "env_steps").num_runs == [2]
    assert compare({"a": others, "b": [*others, tmp_path]}, "env_steps").num_runs == [2, 2]


@pytest.mark.parametrize("show", [plot, compare, report])
@pytest.mark.parametrize(
    ("runs", "text"),
    [
        ([], "there is no run$"),
        ({}, "there is no group of runs"),
        ({"a": []}, "there is no run in the group 'a'"),
        ({"a": [saved([1.0])], "b": ()}, "there is no run in the group 'b'"),
        ({"a": 3.0}, "a path, a Learner or what load_run gave is a run, not 3.0 in the group 'a'"),
        ([3.0], "a path, a Learner or what load_run gave is a run, not 3.0"),
    ],
)
def test_no_runs_are_a_sentence(show, runs, text):
    with pytest.raises(ValueError, match=text):
        show(runs)


def test_without_an_ended_episode_a_picture_says_so():
    rows = Metrics([{"env_steps": 10, "loss": 1.0}])
    text = (
        "no run has 'episode_return' for y, as no episode has ended; give y as .*: env_steps, loss"
    )
    with pytest.raises(ValueError, match=text):
        plot(SavedRun(rows, {}, None, None))
    with pytest.raises(ValueError, match="no run has a row of metrics yet"):
        plot(saved([]))


def test_runs_on_recorded_data_are_drawn_by_their_evaluations_over_their_updates():
    """Their env steps stay 0, and no episode of training ends."""
    rows = [{"env_steps": 0, "recorded_updates": n, "evaluation_return": float(n)} for n in (1, 2)]
    runs = [SavedRun(Metrics(rows), {"algorithm": "iql", "seed": i}, None, None) for i in (0, 1)]
    axes = new_figure((3, 3)).add_subplot()
    plot(runs, axes=axes)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("recorded updates", "evaluation return")
    assert [*axes.lines[0].get_ydata()] == [*axes.lines[0].get_xdata()]
    assert compare(runs).iqm == [2.0]
    plot([*runs, saved([3.0, 4.0])], axes=(axes := new_figure((3, 3)).add_subplot()))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("env steps", "episode return")


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        (
            {"x": "fun"},
            "no run has 'fun' for x; give x as a setting of theirs, or one of their col",
        ),
        ({"y": "late"}, "no row of a run has both 'env_steps' and 'late'; give another x or y"),
    ],
)
def test_the_column_that_is_missing_is_named(columns, text):
    rows = Metrics([{"env_steps": 1, "episode_return": 2.0}, {"late": 3.0}])
    with pytest.raises(ValueError, match=text):
        plot(SavedRun(rows, {}, None, None), **columns)


def test_curves_are_meant_where_all_of_them_are():
    """From 10 to 30, of [0, 10, 20, ...] and [2, 12, 22]: at 20 they are 10 and 12."""
    x, curves = on_one_grid([([0, 20, 40], [0.0, 10.0, 20.0]), ([10, 20, 30], [2.0, 12.0, 22.0])])
    assert (x[0], x[-1]) == (10, 30)
    assert np.interp(20, x, curves.mean(0)) == pytest.approx(11, abs=0.1)
    assert curves[:, 0] == pytest.approx([5, 2])


def test_runs_without_a_common_x_are_drawn_each_by_itself():
    """One ends at 20 env steps, where the other has no episode yet: a mean would be of neither."""
    late = saved([])._replace(metrics=Metrics([{"env_steps": 30, "episode_return": 5.0}]))
    plot([late, saved([1.0, 2.0])], axes=(axes := new_figure((3, 3)).add_subplot()))
    assert [[*line.get_xdata()] for line in axes.lines] == [[10, 20], [30]]
    assert axes.lines[-1].get_label() == "ppo (2 runs), at no env steps in common"


def test_a_single_row_is_seen_as_a_dot():
    for run in (saved([1.0]), saved([1.0, 2.0])):
        plot(run, axes=(axes := new_figure((3, 3)).add_subplot()))
        assert axes.lines[0].get_marker() == ("o" if len(run.metrics) == 1 else "None")


def test_several_curves_have_no_mean_over_what_does_not_grow():
    falls = Metrics([{"env_steps": i, "loss": -i, "episode_return": i} for i in range(3)])
    runs = [saved([])._replace(metrics=falls) for _ in range(2)]
    with pytest.raises(ValueError, match=r"'loss' does not grow over these runs.*env_steps"):
        plot(runs, x="loss")
    assert plot(runs[0], x="loss").png.startswith(PNG)


def test_plots_are_pictures_and_leave_no_figure_open(tmp_path):
    runs = [learner(seed=seed, log_dir=tmp_path / str(seed)).run() for seed in (0, 1)]
    for some in (runs, [tmp_path / "0", tmp_path / "1"], {"mine": runs}, runs[0]):
        assert plot(some).png.startswith(PNG)
    assert plot(runs, x="seconds", y="loss").save(tmp_path / "a.png").read_bytes().startswith(PNG)
    assert open_figures() == []
    with pytest.raises(ValueError, match=r"no run has 'fun' for y; give y as one of .*: .*loss"):
        plot(runs, y="fun")


def test_a_comparison_by_hand():
    """Of four runs the interquartile mean is that of the two in the middle."""
    runs = [saved([0.0, x], seed=i) for i, x in enumerate([0.0, 10.0, 20.0, 1000.0])]
    runs += [saved([5.0], "a2c", seed=i) for i in range(4)]
    found = compare(runs)
    assert found.names == ["ppo", "a2c"] and found.iqm == [15.0, 5.0] and found.num_runs == [4, 4]
    assert found.low[1] == found.high[1] == 5.0 and found.low[0] < 15 < found.high[0]
    assert "ppo: 15.0 (" in repr(found) and "data:image/png" in found._repr_html_()


def test_members_of_a_population_are_compared_as_runs_of_their_own():
    """Each at half of the env steps of both; the mean of 1 and 3, and of 5 and 9."""
    rows = [{"env_steps": 20, "episode_return_0": 1.0, "episode_return_1": 5.0}]
    rows += [{"env_steps": 40}, {"env_steps": 60, "episode_return_0": 3.0, "episode_return_1": 9.0}]
    first, second = members(SavedRun(Metrics(rows), {"env": "A"}, None, None))
    assert [row["env_steps"] for row in first.metrics] == [10, 30]
    assert [run.metrics[-1]["episode_return"] for run in (first, second)] == [2.0, 7.0]


def test_a_population_of_which_some_have_ended_no_episode_is_drawn(tmp_path):
    """In 48 env steps of three members, each has taken 16; the second has no curve yet."""
    small = ppo(envs.cartpole(1), PPO(num_steps=8, num_minibatches=1, num_epochs=1, hidden=(8,)))
    pipe, options = scheme("3cs", population(small, 3)), {"target_steps": 48, "progress": False}
    run = Learner(pipe, population(small, 3).init(1), 1, log_dir=tmp_path, **options).run()
    run.close()
    for each in (run, load_run(tmp_path), load_run(tmp_path)._replace(params=None)):
        scores = [[row["episode_return"] for row in one.metrics] for one in members(each)]
        assert [len(x) for x in scores] == [1, 0, 1]
        assert {row["env_steps"] for one in members(each) for row in one.metrics} <= {8, 16}
    assert (tmp_path / "curve.png").exists() and dashboard(run).startswith(PNG)


def test_a_population_is_compared_and_plotted_by_what_its_members_differ_in():
    many = population(RECIPE, 4, learning_rate=[1e-3, 1e-2, 1e-3, 1e-2])
    run = Learner(scheme("3cs", many), many.init(0), target_steps=1024, progress=False).run()
    found = compare(run)
    assert sorted(found.names) == ["learning_rate 0.001", "learning_rate 0.01"]
    assert found.num_runs == [2, 2] and compare({"all": [run]}).num_runs == [4]
    assert {name: len(some) for name, some in group_runs([run]).items()} == dict.fromkeys(
        ("learning_rate 0.001", "learning_rate 0.01"), 2
    )
    assert plot(run).png.startswith(PNG)


def test_environments_are_compared_on_scales_that_somebody_gave():
    runs = [saved([x], env=env, seed=i) for env, x in (("A", 5.0), ("B", 50.0)) for i in range(4)]
    with pytest.raises(ValueError, match="returns of A, B have scales of their own"):
        compare(runs)
    assert compare(runs, scales={"A": (0, 10), "B": (0, 100)}).iqm == [0.5]


def test_a_picture_of_runs_names_the_environment_that_all_share():
    pole, swing = (
        SavedRun(
            Metrics([{"env_steps": 8.0, "episode_return": 1.0}]),
            {"algorithm": "ppo", "env": env},
            None,
            Path("run"),
        )
        for env in ("CartPole-v1", "Pendulum-v1")
    )
    assert environment_of([pole, pole]) == "CartPole-v1" and environment_of([pole, swing]) == ""
    assert compare([pole]).label == "episode return in CartPole-v1"
    recipe = ppo("CartPole-v1", PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
    assert environment_of([pole, Learner(scheme("3cs", recipe), recipe.init(0))]) == "CartPole-v1"
    axes = new_figure((2, 2)).add_subplot()
    plot([pole], axes=axes)
    assert axes.get_title(loc="left") == "CartPole-v1"


@pytest.mark.parametrize("make", [envs.cartpole, envs.pendulum])
def test_a_film_of_the_first_environment(make):
    """No window is opened; the first and a later picture differ."""
    pytest.importorskip("imageio_ffmpeg")
    recipe = ppo(make(2), PPO(num_steps=32, num_minibatches=2, hidden=(8,)))
    params = recipe.init(0)
    film = video(make(2), recipe.greedy, params, num_steps=8)
    assert film.mp4[4:8] == b"ftyp" and film.num_frames == 9
    assert "data:video/mp4;base64," in film._repr_html_()
    seen, score = frames(make(2), recipe.greedy, params, 8, 0)
    assert (seen[0] != seen[8]).any() and seen[0].dtype == np.uint8 and score == film.score


def test_a_film_shows_how_far_it_is(capsys):
    recipe = ppo(envs.cartpole(1), PPO(num_steps=8, num_minibatches=2, hidden=(8,)))
    video(recipe.env, recipe.greedy, recipe.init(0), num_steps=4, progress=True)
    assert "5/5" in capsys.readouterr().err  # the first state, and four steps


def test_without_its_package_nothing_is_played_before_a_film_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    env = envs.cartpole(1)
    recipe, unused = ppo(env, PPO(num_steps=8, num_minibatches=2)), env._replace(reset=None)
    with pytest.raises(ImportError, match="a video needs imageio: pip install"):
        video(unused, recipe.greedy, recipe.init(0))


@pytest.mark.parametrize("make", [envs.mountain_car, envs.acrobot, envs.catch])
def test_each_simulator_in_torch_has_a_picture(make):
    """It changes with the state, and is neither blank nor black."""
    env = make(2)
    state, _ = env.reset(0)
    before = env.render(state)
    for _ in range(5):
        state, *_ = env.step(state, torch.zeros(2, dtype=torch.int64))
    after = env.render(state)
    assert before.dtype == np.uint8 and before.shape[2] == 3 and (before != after).any()
    assert 0 < before.mean() < 255 and before.shape[0] % 2 == before.shape[1] % 2 == 0


def test_gymnasium_renders_itself_if_it_was_asked_to():
    pytest.importorskip("pygame")
    env = envs.make("CartPole-v1", 1, render_mode="rgb_array")
    seen, _ = frames(env, RECIPE.greedy, RECIPE.init(0), 3, 0)
    assert seen[0].shape == (400, 600, 3)
    with pytest.raises(ValueError, match=r"envs.make\(id, render_mode='rgb_array'\)"):
        frames(envs.make("CartPole-v1"), RECIPE.greedy, RECIPE.init(0), 3, 0)


def test_what_has_no_pictures_is_not_advised_to_be_made_otherwise():
    env = envs.make("torch/CartPole-v1")._replace(render=None)
    with pytest.raises(ValueError, match="cannot be rendered: it has no pictures of itself"):
        frames(env, RECIPE.greedy, RECIPE.init(0), 3, 0)


class Undrawn(gymnasium.Env):
    """Has no driver for its pictures."""

    observation_space, action_space = Box(-1, 1, (4,)), Discrete(2)
    render_mode = "rgb_array"

    def reset(self, seed=None, options=None):
        return np.zeros(4, np.float32), {}

    def render(self):
        raise RuntimeError("no OpenGL")


def test_an_environment_that_cannot_draw_itself_is_named():
    with pytest.raises(ValueError, match="Undrawn could not be drawn: RuntimeError: no OpenGL"):
        frames(envs.from_gym(Undrawn), RECIPE.greedy, RECIPE.init(0), 3, 0)


def test_the_dashboard_is_a_picture_at_any_time():
    run = learner(evaluate=lambda params: None)
    assert dashboard(run).startswith(PNG)
    run = learner().run()
    assert dashboard(run).startswith(PNG) and open_figures() == []


def test_live_is_the_loop_itself_where_nobody_can_see_a_picture(same):
    one, other = learner(), learner()
    steps = [row["env_steps"] for row in live(one)]
    assert steps == [64, 128, 192, 256] and same(one.params, other.run().params)


def test_a_live_view_draws_seldom_and_last_at_the_end(monkeypatch, same):
    """Four steps take less than an hour: one picture at first, one at the end, and the bar is back."""
    shown, run = [], learner(progress=None)
    monkeypatch.setattr(import_module("nappo2.show._live"), "in_notebook", lambda: shown.append)
    rows = list(live(run, seconds=3600))
    assert (
        len(rows) == 4
        and len(shown) == 2
        and all(view.picture.png.startswith(PNG) and "<svg" in view.drawing for view in shown)
    )
    assert run.progress is None and same(run.params, learner().run().params)
    for _ in live(run):
        raise AssertionError("it was done")


NAMES = (
    r"run_$\frac$",
    "$HOME_$SEED",
    "$",
    "a$b$c",
    r"\$x$",
    "_hidden",
    "50%",
    "a\nb",
    "\udcff",
    "{x}^2",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_writes_any_name_as_it_is(name, tmp_path):
    """A dollar begins no formula, and no name hides a curve."""
    rows = saved([1.0, 2.0]).metrics
    assert draw_curve(rows, tmp_path / "curve.png", name).read_bytes().startswith(PNG)
    runs = {name: [saved([1.0, 2.0])], "other": [saved([2.0, 3.0])]}
    figure = new_figure((3, 2))
    axes = figure.add_subplot()
    plot(runs, axes=axes)
    assert len(axes.get_legend().get_texts()) == 2
    assert as_picture(figure).png.startswith(PNG)
    comparison = Comparison([name], [1.0], [0.0], [2.0], [1], name)
    assert comparison.picture().png.startswith(PNG)
    rows[-1][f"{name}_loss"] = 1.0
    assert dashboard(types.SimpleNamespace(metrics=rows)).startswith(PNG)


def test_a_forgotten_shell_variable_in_a_name_ends_no_run(tmp_path):
    run = learner(log_dir=tmp_path / "$HOME_$SEED").run()
    assert sorted(p.name for p in run.log_dir.iterdir()) == [
        "curve.png",
        "metrics.csv",
        "params.npz",
        "run.json",
    ]


def test_a_panel_without_curves_says_so():
    """As that of the lags of a population, which has none."""
    figure = new_figure((3, 2))
    axes = figure.add_subplot()
    panels.draw_columns(axes, saved([1.0]).metrics, [], "lag")
    assert list(axes.get_xticks()) == list(axes.get_yticks()) == []
    assert [text.get_text() for text in axes.texts] == ["nothing yet"]


def test_a_film_says_where_it_was_cut():
    whole, cut = (Video(b"", 4, 3.0, ended) for ended in (True, False))
    assert "return 3.0," in repr(whole)
    assert "return 3.0 up to where it was cut, after 3 steps" in repr(cut)


RECIPES = {
    "learning_rate": [{"learning_rate": x} for x in (1e-4, 3e-4, 1e-3, 3e-3)],
    "gamma": [{"gamma": 0.9}, {"gamma": 0.99}],
    "value_coef": [{"value_coef": 0.25}, {"value_coef": 0.5}],
    "hidden": [{"hidden": (4,)}, {"hidden": (8,)}],
    "max_grad_norm": [{"max_grad_norm": 0.5}, {"max_grad_norm": 1.0}],
    "lambda_": [{"lambda_": 0.9}, {"lambda_": 0.95}],
}


@pytest.mark.parametrize("name", RECIPES)
def test_learners_of_other_hyper_parameters_are_not_pooled(name):
    """Three seeds of each value are a group, which is called by the value."""
    runs = []
    for changed in RECIPES[name]:
        config = PPO(**{"num_steps": 8, "num_minibatches": 1, "hidden": (8,)} | changed)
        recipe = ppo(envs.cartpole(2), config)
        pipe = scheme("3cs", recipe)
        runs += [Learner(pipe, recipe.init(seed), seed, progress=False) for seed in range(2)]
        again = ppo(envs.cartpole(2), config)  # another call with the same values
        runs.append(Learner(scheme("3cs", again), again.init(2), 2, progress=False))
    groups = group_runs(runs)
    assert [len(group) for group in groups.values()] == [3] * len(RECIPES[name]), list(groups)


def test_learners_in_other_environments_are_not_pooled():
    recipes = [
        ppo(make(n)) for make, n in ((envs.cartpole, 8), (envs.cartpole, 16), (envs.acrobot, 8))
    ]
    runs = [Learner(scheme("3cs", s), s.init(0), progress=False) for s in recipes]
    assert [len(group) for group in group_runs(runs).values()] == [1, 1, 1]


def test_names_tell_all_groups_apart():
    """Recipe and learning rate both differ: four groups, though two share each word."""
    runs = [
        saved([1.0], algorithm, config={"learning_rate": rate}, seed=seed)
        for algorithm in ("ppo", "a2c")
        for rate in (0.1, 0.2)
        for seed in (0, 1)
    ]
    groups = group_runs(runs)
    assert [len(group) for group in groups.values()] == [2, 2, 2, 2]
    assert next(iter(groups)) == "ppo, learning_rate 0.1"


def test_runs_that_say_nothing_are_not_pooled(tmp_path):
    for name in ("one", "other"):
        learner(log_dir=tmp_path / name).run()
    groups = group_runs([tmp_path / "one", tmp_path / "other"])
    assert {name: len(group) for name, group in groups.items()} == {"ppo": 2}
    for name in ("one", "other"):
        (tmp_path / name / "run.json").unlink()
    groups = group_runs([tmp_path / "one", tmp_path / "other"])
    assert {name: len(group) for name, group in groups.items()} == {"one": 1, "other": 1}
    rows = saved([1.0]).metrics
    nameless = [SavedRun(rows, {}, None, None) for _ in range(3)]
    assert list(group_runs(nameless)) == ["run 1", "run 2", "run 3"]


def test_small_columns_are_compared_with_digits_that_say_something():
    """Such as a KL, of which one digit after the point says nothing."""
    found = Comparison(["a"], [0.01234], [-0.0004], [1500.04], [3], "approx_kl")
    assert found.rows() == [("a", "0.0123", "-0.0004 to 1,500.0", "3")]
