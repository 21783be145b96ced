"""What was changed in the middle of a run: in rows, in pictures by any column, and over a checkpoint."""

import pytest
from matplotlib.figure import Figure

from nappo2 import Learner, plot, scheme
from nappo2.runs.curve import draw_curve
from nappo2.runs.events import Event, adoption, events_of, mark_events
from nappo2.runs.members import member_rows
from nappo2.runs.metrics import Metrics
from nappo2.show.runs import SavedRun
from tests.makers.recipes import CARTPOLE_PPO, composed, fused

ROWS = [
    {"env_steps": 10, "seconds": 1.0, "updates": 4, "episode_return": 1.0},
    {
        "env_steps": 20,
        "seconds": 3.0,
        "updates": 8,
        "episode_return": 2.0,
        "event": "set gamma 0.5",
    },
    {"env_steps": 30, "updates": 9, "episode_return": 3.0, "event": "2 workers restarted"},
]


def marked(events, **options):
    """Where lines stand in axes from 0 to 100, and their texts."""
    axes = Figure().add_subplot()
    axes.plot([0, 100], [0, 1])
    mark_events(axes, events, **options)
    lines = [line.get_xdata()[0] for line in axes.lines if line.get_zorder() == 0]
    return lines, [text.get_text() for text in axes.texts]


def test_events_stand_by_the_column_that_is_drawn():
    """A row without seconds has no place among seconds."""
    assert events_of(ROWS) == [Event(20, "set gamma 0.5"), Event(30, "2 workers restarted")]
    assert events_of(ROWS, "updates") == [(8, "set gamma 0.5"), (9, "2 workers restarted")]
    assert events_of(ROWS, "seconds") == [(3.0, "set gamma 0.5")]


def test_events_of_recorded_data_stand_by_updates():
    assert events_of([{"env_steps": 0, "recorded_updates": 100, "event": "set gamma 0.5"}]) == [
        (100, "set gamma 0.5")
    ]


def test_equal_events_are_one_line():
    assert marked([Event(10, "a"), Event(10, "a"), Event(50, "b")]) == ([10, 50], ["a", "b"])


def test_no_text_is_written_over_another_and_ten_are_enough():
    """At 10 and 11 of 100 lines are so near that only the first has a text; all have a line."""
    near = marked([Event(10, "a"), Event(11, "b"), Event(50, "c")])
    assert near == ([10, 11, 50], ["a", "c"])
    lines, texts = marked([Event(5 * i, str(i)) for i in range(15)])
    assert len(lines) == 15 and texts == [str(i) for i in range(10)]
    assert marked([Event(10, "a")], with_text=False) == ([10], [])


def test_a_long_text_is_cut_and_a_dollar_is_no_formula():
    assert marked([Event(1, "x" * 40)])[1] == ["x" * 29 + "…"]
    assert marked([Event(1, "a $b")])[1] == [r"a \$b"]


@pytest.mark.parametrize("x", ["env_steps", "seconds", "updates"])
def test_plots_have_the_events_of_all_runs(x):
    runs = [SavedRun(Metrics(ROWS), {"algorithm": name}, None, None) for name in ("ppo", "a2c")]
    axes = Figure().add_subplot()
    plot(runs, x, axes=axes)
    lines = {line.get_xdata()[0] for line in axes.lines if line.get_zorder() == 0}
    assert lines == {x for x, _ in events_of(ROWS, x)}


def test_an_event_of_a_population_is_one_of_each_member(tmp_path):
    """Also where no episode of the member has ended: 20 env steps of two are 10 of each."""
    rows = [
        {"env_steps": 20, "event": "set gamma 0.5", "episode_return_1": 4.0, "episode_return": 4.0}
    ]
    rows += [{"env_steps": 40, "episode_return_0": 1.0, "episode_return_1": 5.0}]
    for each in member_rows(rows):
        assert events_of(each) == [(10, "set gamma 0.5")]
    assert draw_curve(rows, tmp_path / "curve.png").exists()


def test_an_event_that_no_row_has_yet_is_in_the_checkpoint(tmp_path):
    pipe, params = scheme("3cs", CARTPOLE_PPO), CARTPOLE_PPO.init(0)
    run = Learner(pipe, params, 1, 160, tmp_path, checkpoint_every=10**6, progress=False)
    run.step()
    run.set(learning_rate=1e-3)
    run.checkpoint()
    run.files.finish()
    run.close()
    again = Learner(pipe, params, 1, 160, tmp_path, progress=False)
    again.resume(tmp_path)
    again.step()
    assert again.metrics[-1]["event"] == "set learning_rate 0.001"
    again.close()


def test_the_text_of_an_adoption_says_what_is_new_or_gone():
    """The word of another scheme; else the stages: a line of CartPole's PPO is some 150 characters long."""
    one = scheme("da2cs", CARTPOLE_PPO)
    assert adoption(one, scheme("dadaca", CARTPOLE_PPO)) == "adopt dadaca"
    wider = scheme("da2cs", CARTPOLE_PPO, collectors=4)
    assert adoption(one, wider) == "adopt collectors(num_workers=4, wait_for=1)"
    assert adoption(one, fused(CARTPOLE_PPO)) == "adopt no collectors"
    assert adoption(fused(CARTPOLE_PPO), composed(CARTPOLE_PPO)).endswith(
        "no all_minibatches, no learn"
    )
    assert adoption(one, one) == "adopt"
