"""What the stages and workers of a run do with their time, and how it is drawn."""

import pytest

from nappo2 import Learner, scheme, serial
from nappo2.reports import Span
from nappo2.schemes import SCHEMES, TAKES
from nappo2.show import diagram, look
from nappo2.show._live import live_view
from nappo2.show.activity import Activity, activity_of, lags_of, shares_of, workers_of
from tests.makers.recipes import CARTPOLE_PPO

FAR = serial._replace(remote=True)  # drawn as on Ray, which is not started for that


def pipeline(name, on=serial):
    given = {"collectors": 4, "learners": 2, "on": on}
    return scheme(name, CARTPOLE_PPO, **{key: given[key] for key in given if key in TAKES[name]})


def learner(name):
    return Learner(pipeline(name), CARTPOLE_PPO.init(0), 1, 64, progress=False)


def test_shares_of_processes_by_hand():
    """In 10 s the learner learns for 4 s and waits for 5 s; four collectors collect for 20 s in all."""
    row = {"seconds": 10.0, "learn_seconds": 4.0, "collectors_wait_seconds": 5.0}
    row |= {"collect_seconds": 20.0}
    shares = shares_of([row], pipeline("da2cs", FAR).stages)
    assert shares == {"learn": 0.4, "collectors": 0.5, "collect": 0.5}
    shares = shares_of([row | {"collect_seconds": 1.0}], pipeline("da2cs").stages)
    assert shares["collect"] == 0.1  # workers in this process share its time


def test_workers_within_workers_by_hand():
    """In 10 s; the two second collectors of both learners are busy for 2 s and for 8 s."""
    spans = [Span("update", 0.0, 10.0), Span("gradients", 0.0, 5.0, ("learners 0",))]
    spans += [
        Span("collect", 0.0, x, (f"learners {i}", "collectors 1")) for i, x in ((0, 2.0), (1, 8.0))
    ]
    found = workers_of(spans, pipeline("dadacs").stages)
    assert found == {"learners": [0.5, 0.0], "collectors": [0.0, 0.5]}


def test_the_slowest_worker_is_waited_for_if_the_cut_waits():
    busy = {"learners": [0.5, 0.9, 0.6]}
    assert Activity({"learners": 0.4}, busy).waited_for("learners") == 1
    assert Activity({"learners": 0.0}, busy).waited_for("learners") is None
    assert Activity().waited_for("learners") is None


def test_lags_stand_at_the_workers_whose_results_are_old():
    row = {"collection_lag": 4.0, "gradient_lag": 1.0}
    assert lags_of(row, pipeline("dadacs").stages) == {"collectors": 4.0, "learners": 1.0}
    assert lags_of(row, pipeline("da2cs").stages) == {"collectors": 4.0}
    assert lags_of(row, pipeline("3cs").stages) == {"": 4.0}


def test_marks_are_in_the_drawing():
    activity = Activity(
        {"learn": 0.41, "collectors": 0.3}, {"collectors": [0.2, 0.8, 0.5, 0.1]},
        {"collectors": 7.5}, {"collectors": 1},
    )  # fmt: skip
    drawn = diagram(pipeline("ds2cs", FAR), activity)
    for text in (
        "41%",
        "30% of time",
        "lag 7.5",
        "1 restart<",
        "worker 1 is busy for 80%, and waited",
    ):
        assert text in drawn
    assert drawn.count("<title>worker") == 4 and drawn.count("waited for</title>") == 1
    assert diagram(pipeline("ds2cs", FAR)) == diagram(pipeline("ds2cs", FAR), Activity())


@pytest.mark.parametrize("name", SCHEMES)
def test_a_run_in_every_scheme_is_drawn_at_work(name):
    run = learner(name)
    assert activity_of(run) == Activity()
    run.run()
    activity = activity_of(run)
    cuts = [stage.name for stage in run.pipeline.stages if stage.cut is not None]
    assert set(activity.workers) == set(cuts) == set(activity.lags) - {""}
    assert all(0 <= share <= 1 for share in activity.shares.values())
    assert {stage.name for stage in run.pipeline.stages} == set(activity.shares)
    assert all(0 < x <= 1 for busy in activity.workers.values() for x in busy)
    assert "lag" in diagram(run.pipeline, activity)
    run.close()


def test_a_live_view_is_html_and_a_png_where_that_is_all_one_sees():
    run = learner("da2cs").run()
    bundle = live_view(run)._repr_mimebundle_()
    assert "<svg" in bundle["text/html"] and bundle["image/png"].startswith("iVBOR")
    assert "lag" in look(run).html
    run.close()
