"""When stages took their steps: in reports, in trace.bin, and as Chrome's trace events."""

import gzip
import json
from itertools import pairwise

import pytest

from nappo2 import Learner, record_timing, scheme, serial, trace
from nappo2.cli import main
from nappo2.reports import Report, Span, held_back, join, of_worker
from nappo2.runs.loggers._trace import TraceFile
from nappo2.schemes import TAKES
from nappo2.show._trace import Traced, read_trace, trace_events, workers_of
from tests.makers.recipes import CARTPOLE_PPO

EPSILON = 3e-6  # seconds, as a file has microseconds


def learner(name="3cs", **options):
    """16 env steps and 4 updates per rollout."""
    options = {"target_steps": 64, "progress": False} | options
    counts = {key: 2 for key in ("collectors", "learners") if key in TAKES[name]}
    pipe = scheme(name, CARTPOLE_PPO, **counts)
    return Learner(pipe, CARTPOLE_PPO.init(0), 1, **options)


def test_spans_of_a_cut_say_whose_they_are():
    inner = of_worker(Report(spans=(Span("collect", 1.0, 2.0),)), "collectors 1")
    joined = join([of_worker(inner, "learners 0"), Report(spans=(Span("learn", 3.0, 4.0),))])
    assert joined.spans == (
        Span("collect", 1.0, 2.0, ("learners 0", "collectors 1")),
        Span("learn", 3.0, 4.0),
    )


def test_spans_are_of_the_step_that_they_were_in():
    """Means and counts of a rollout belong to its last minibatch, its times to the first."""
    now, later = held_back(Report(sums={"env_steps": 4}, spans=(Span("collect", 1.0, 2.0),)))
    assert now.spans and not later.spans and later.sums == {"env_steps": 4}


def test_spans_say_what_the_seconds_of_a_row_say():
    """A stage's seconds are its span without that of the stage before it."""
    run = learner()
    row = run.step()
    spans = run.recorder.spans
    assert [span.name for span in spans] == [stage.name for stage in run.pipeline.stages]
    for inner, outer in pairwise(spans):
        assert row[f"{outer.name}_seconds"] == pytest.approx(outer.seconds - inner.seconds)
    run.close()


def check_nested(spans):
    """Refuses spans of a process that overlap without one of them being within the other."""
    ends = []
    for _, start, seconds, _ in sorted(spans, key=lambda span: (span.start, -span.seconds)):
        ends = [end for end in ends if end > start + EPSILON]
        assert all(start + seconds <= end + EPSILON for end in ends)
        ends.append(start + seconds)


@pytest.mark.parametrize("name", ["3cs", "3ds", "ds2cs", "2daca", "dadacs"])
def test_all_workers_of_a_scheme_are_in_its_trace_each_with_one_thing_at_a_time(name, tmp_path):
    run = learner(name, log_dir=tmp_path, loggers=["trace"]).run()
    run.close()
    cuts = [stage for stage in run.pipeline.stages if stage.cut is not None]
    expected = [()]
    paths = [()]
    for stage in reversed(cuts):
        paths = [(*x, f"{stage.name} {i}") for x in paths for i in range(stage.cut.num_workers)]
        expected += paths
    spans = read_trace(tmp_path).spans
    assert sorted(workers_of(spans)) == sorted(expected)
    for worker in expected:
        check_nested([span for span in spans if span.worker == worker])


def test_a_trace_is_chromes(tmp_path):
    """One process for each worker; two spans, of 2 s and of 1 s, and a worker that was lost."""
    spans = [Span("learn", 10.0, 2.0), Span("collect", 9.5, 1.0, ("collectors 0",))]
    spans += [Span("lost", 11.0, 0.0, ("collectors 0",))]
    traced = Traced(spans, [(12.0, "set gamma 0.5")], [(12.0, {"collection": 1.5})])
    about, (learn, collect, lost), (event, lag) = (
        list(trace_events(traced))[i] for i in (slice(0, 4), slice(4, 7), slice(7, 9))
    )
    names = {x["pid"]: x["args"]["name"] for x in about if x["name"] == "process_name"}
    assert names == {0: "learner", 1: "collectors 0"}
    assert (learn["ph"], learn["pid"], learn["ts"], learn["dur"]) == ("X", 0, 10e6, 2e6)
    assert (collect["pid"], collect["ts"], collect["dur"]) == (1, 9.5e6, 1e6)
    assert (lost["ph"], lost["name"], lost["pid"]) == ("i", "lost", 1)
    assert (event["ph"], event["s"], event["name"]) == ("i", "g", "set gamma 0.5")
    assert lag["ph"] == "C" and lag["args"] == {"collection": 1.5}


def test_a_trace_is_read_as_it_was_written(tmp_path):
    """Times to a microsecond, lags to a thousandth; also where a run went on in its folder."""
    spans = [
        Span("collect", 1e9 + 0.25, 0.5, ("learners 0", "collectors 1")),
        Span("learn", 2e9, 1.0),
    ]
    for part in (spans, spans[::-1]):  # the second file begins its numbers anew
        file = TraceFile(tmp_path / "trace.bin")
        file.spans(part)
        file.log({"env_steps": 1, "event": "größer", "collection_lag": 0.0})
        file.close()
    traced = read_trace(tmp_path)
    assert traced.spans == spans + spans[::-1]
    assert [text for _, text in traced.events] == ["größer"] * 2
    assert [lags for _, lags in traced.lags] == [{"collection": 0.0}] * 2


def test_trace_writes_what_a_viewer_opens(tmp_path, capsys):
    run = learner("da2cs", log_dir=tmp_path, loggers=["trace"])
    run.set(learning_rate=1e-3)
    run.run()
    written = trace(run)
    events = json.loads(written.path.read_text())
    assert written.path == tmp_path / "trace.json"
    assert written.workers == ("learner", "collectors 0", "collectors 1")
    assert sum(event["ph"] == "X" for event in events) == written.num_spans > 0
    assert "set learning_rate 0.001" in [x["name"] for x in events if x["ph"] == "i"]
    run.close()
    with pytest.raises(SystemExit, match="0"):
        main(["trace", str(tmp_path), "--output", str(tmp_path / "trace.json.gz")])
    assert json.loads(capsys.readouterr().out)["spans"] == written.num_spans
    with gzip.open(tmp_path / "trace.json.gz", "rt") as file:
        assert json.load(file) == events


def test_what_was_not_traced_is_a_sentence(tmp_path, capsys):
    run = learner(log_dir=tmp_path).run()
    with pytest.raises(FileNotFoundError, match=r'traced with Learner\(loggers=\["trace"\]\)'):
        trace(run)
    run.close()
    with pytest.raises(ValueError, match="or a Learner with a log_dir"):
        trace(learner())
    with pytest.raises(ValueError, match="trace needs a log_dir to write to"):
        learner(loggers=["trace"])
    with pytest.raises(SystemExit):
        main(["trace", str(tmp_path)])
    assert "nappo2 train --log trace" in capsys.readouterr().err


def test_a_state_holds_no_times(tmp_path):
    """Or checkpoints, and equal runs, would differ by them."""
    run = learner("dadaca", log_dir=tmp_path)
    for _ in range(3):
        run.step()

    def reports(value):
        if isinstance(value, Report):
            return [value]
        parts = value.values() if isinstance(value, dict) else value
        return (
            [x for part in parts for x in reports(part)] if isinstance(value, (dict, tuple)) else []
        )

    states = [run.state["learners"].ask(i) for i in range(2)]
    assert all(not report.spans for state in states for report in reports(state))
    run.close()


def test_recorded_timing_goes_with_a_trace(tmp_path):
    pipe = scheme("dadaca", CARTPOLE_PPO, on=record_timing(serial))
    run = Learner(
        pipe, CARTPOLE_PPO.init(0), 1, 64, tmp_path, loggers=["trace"], progress=False
    ).run()
    run.close()
    assert len(workers_of(read_trace(tmp_path).spans)) == 1 + 2 + 2
