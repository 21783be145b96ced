"""A number of workers that may change: they join and leave, and a replay follows to the last bit."""

import json
from itertools import pairwise

import pytest

from nappo2 import between, load_params, ppo, rewind, scheme, serial, workers
from nappo2.cli import train
from nappo2.pipeline import adopt
from nappo2.schemes.obeying import RecordEnded, obeying
from nappo2.schemes.timing import record_timing
from nappo2.stages.recipe import collect_of
from tests.makers.comparing import equal
from tests.makers.environments import faulty
from tests.makers.recipes import CARTPOLE_PPO, SMALL_PPO, run_of
from tests.makers.replays import recorded_run
from tests.makers.scheduling import drawn
from tests.makers.stepping import step, train_until

ONE_CUT = {"da2cs": "collectors", "ds2cs": "collectors", "2dacs": "learners", "2daca": "learners"}


@pytest.fixture
def impatient(monkeypatch):
    """Lives that begin at once, so that no test waits."""
    monkeypatch.setattr("nappo2.schemes.cut_step.LONGEST_PAUSE", 0.0)
    monkeypatch.setattr("nappo2.schemes.cut_step.ROOM_SECONDS", 0.0)


def steps_of(pipe, params, num):
    """The params, env steps, restarts and number of workers after each of so many steps."""
    state = pipe.init(params, 1)
    for _ in range(num):
        state, params, report = pipe.step(params, state)
        (cut,) = (x for x in state.values() if hasattr(x, "members"))
        present = [i for i, member in enumerate(cut.members) if member.worker is not None]
        yield params, report.sums.get("env_steps", 0), report.sums["restarts"], present, cut.notes


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", ONE_CUT)
def test_workers_that_join_and_leave_are_replayed_to_the_last_bit(name, same):
    """One call in ten is lost too. There are never fewer than two, and at times all five."""
    options, params = {ONE_CUT[name]: between(2, 5)}, CARTPOLE_PPO.init(0)
    pipe = scheme(name, CARTPOLE_PPO, on=record_timing(drawn(7, loss=0.1)), **options)
    rows = list(steps_of(pipe, params, 40))
    notes = rows[-1][-1]
    again = steps_of(scheme(name, CARTPOLE_PPO, on=obeying(notes), **options), params, 41)
    for row in rows:
        other = next(again)
        assert same(row[0], other[0]) and row[1:4] == other[1:4]
    with pytest.raises(RecordEnded, match="it has 40 steps"):
        next(again)
    counts = [len(present) for *_, present, _ in rows]
    assert max(counts) == 5 and len(set(counts)) > 2
    assert any(set(a) - set(b) for (*_, a, _), (*_, b, _) in pairwise(rows))  # somebody left
    counted = rows[-1][0]["normalizer", "observation", "moments"][0, 0]
    assert counted == sum(row[1] for row in rows) > 0


@pytest.mark.parametrize("name", ONE_CUT)
def test_where_there_is_room_for_all_they_are_as_many_from_the_first_step(name, same):
    """Each begins from the seed of its number, whenever it joins."""
    params, results = CARTPOLE_PPO.init(0), []
    for number in (5, between(2, 5)):
        pipe = scheme(name, CARTPOLE_PPO, **{ONE_CUT[name]: number})
        results.append(train_until(pipe, params, 24)[0])
    assert same(*results)


def test_a_row_says_how_many_there_were():
    run = step(run_of(CARTPOLE_PPO, "da2cs", collectors="2..3"), 2)
    assert [row["num_collectors"] for row in run.metrics] == [3, 3]
    assert "collectors(num_workers=2..3, wait_for=1)" in repr(run.pipeline)


def test_a_worker_that_is_lost_is_absent_while_there_is_no_room(tmp_path):
    """And joins again when there is some, from a fresh seed."""
    num, recipe = [9], ppo(faulty(tmp_path), SMALL_PPO)
    pipe = scheme("da2cs", recipe, collectors=between(1, 2), on=tight(num))
    params = recipe.init(0)
    state, params, report = pipe.step(params, pipe.init(params, 1))
    assert report.means["num_collectors"].value == 2
    num[0] = 0
    (tmp_path / "raise").write_text("")
    state, params, report = pipe.step(params, state)
    assert report.means["num_collectors"].value == 1 and report.sums["restarts"] == 1


def tight(num):
    """A backend in this process with room for so many more workers; a worker that raises is lost."""
    from nappo2.schemes.backend import Lost

    def get(calls):
        answers = []
        for call in calls:
            try:
                answers += serial.get([call])
            except ZeroDivisionError as error:
                answers.append(Lost(error, died=True))
        return answers

    return serial._replace(get=get, max_restarts=3, room=lambda workers: num[0])


@pytest.mark.usefixtures("impatient", "without_curves")
@pytest.mark.parametrize("name", ["da2cs", "2daca"])
def test_a_checkpoint_has_the_workers_that_were_there(name, same, tmp_path):
    """A replay from it, and one from the beginning, are the run."""
    options = {ONE_CUT[name]: between(2, 5)}
    run = recorded_run(CARTPOLE_PPO, name, tmp_path, 15, **options)
    run.save()
    step(run, 8).close()
    assert same(rewind(tmp_path).params, run.params)
    for path in (tmp_path / "checkpoints").iterdir():
        path.unlink()
    assert same(rewind(tmp_path).params, run.params)


@pytest.mark.usefixtures("impatient")
def test_a_run_goes_on_with_a_number_of_workers_that_may_change(same):
    """From three to between two and five, and back to two: each goes on where its number was."""
    params = CARTPOLE_PPO.init(0)
    first, second, third = (
        scheme("da2cs", CARTPOLE_PPO, collectors=n) for n in (3, between(2, 5), 2)
    )
    state, params, _ = first.step(params, first.init(params, 1))
    lengths = lengths_of(state)
    state = adopt(second, state, params, 1)
    assert lengths_of(state)[:3] == lengths
    state, params, _ = second.step(params, state)
    lengths = lengths_of(state)
    assert len(lengths) == 5
    state = adopt(third, state, params, 1)
    assert lengths_of(state) == lengths[:2]


def lengths_of(state):
    """The lengths of the episodes of each collector that is there."""
    cut = state["collectors"]
    states = [cut.ask(i) for i in range(cut.num_workers)]
    return [x["collect"].length.tolist() for x in states if x]


def test_what_no_number_of_workers_can_be_is_one_sentence():
    for number, message in [
        ("5..2", r"between\(5, 2\) is no number of workers that may change"),
        ("two", "collectors is an integer of at least 1, or a Between, .*, not 'two'"),
    ]:
        with pytest.raises(ValueError, match=message):
            scheme("da2cs", CARTPOLE_PPO, collectors=number)
    source, some = collect_of(CARTPOLE_PPO), between(2, 5)
    with pytest.raises(ValueError, match=r"cannot wait for 3 of 2\.\.5 workers, who may be 2"):
        source | workers(some, wait_for=3)
    with pytest.raises(ValueError, match="is for a number of workers that stays"):
        source | workers(some, wait_for=1, preempt=0.5)
    with pytest.raises(ValueError, match="workers that meet in all_reduce are as many"):
        scheme("3ds", CARTPOLE_PPO, learners=some)
    with pytest.raises(ValueError, match="dadacs has two cuts, whose numbers of workers stay"):
        scheme("dadacs", CARTPOLE_PPO, collectors=some)


@pytest.mark.usefixtures("without_curves")
def test_a_command_line_has_a_number_that_may_change(tmp_path, capsys):
    """Its record is rewound by the folder alone, and a resumed run goes on with the same number."""
    words = "ppo --env torch/CartPole-v1 --num-envs 2 --num-steps 8 --num-minibatches 2 --hidden 8"
    words += f" --scheme da2cs --collectors 2..3 --record-timing --log-dir {tmp_path} --total-steps"
    train.run([*words.split(), "64"])
    train.run(["--resume", str(tmp_path), "--total-steps", "128"])
    assert json.loads((tmp_path / "run.json").read_text())["collectors"] == "2..3"
    again = rewind(tmp_path)
    assert again.env_steps == 128 and equal(again.params, load_params(tmp_path / "params.npz"))
    assert again.metrics[-1]["num_collectors"] == 3
    capsys.readouterr()
