"""Schemes that are simulated with costs that one can add up in one's head."""

import pytest

from nappo2 import Learner, scheme
from nappo2.advice import Costs, Learning, Reduction, Transfer, predict
from nappo2.advice.simulation import Cores, Idle, Process, Until, Work, simulate
from nappo2.schemes import SCHEMES, TAKES
from tests.makers.recipes import CARTPOLE_PPO

FREE = Learning(0.0, 0.0, 0.0, 0.0)


def costs(collect=0.0, idle=0.0, learn=0.0, gradients=0.0, num_updates=1, **others):
    """Of a rollout of 10 env steps; it takes twice as long to learn from two at once."""
    one = FREE._replace(learn=learn, gradients=gradients)
    two = FREE._replace(learn=2 * learn, gradients=2 * gradients)
    return Costs(10, num_updates, collect, idle, {1: one, 2: two}, 0.0, **others)


def seconds(*lists, cores=1, slowdown=1.0):
    """How long processes take together that do these things, one after the other."""
    done = []

    def steps(things):
        yield from things
        done.append(things)

    processes = [Process(steps(things)) for things in lists]
    return simulate(Cores(cores, slowdown), processes, lambda: len(done) == len(lists))


def test_processes_share_cores():
    """Of 1 s and 3 s on one core the shorter ends after 2 s, the longer after 4 s."""
    assert seconds([Work(1.0)], [Work(3.0)]) == pytest.approx(4.0)
    assert seconds([Work(1.0)], [Work(3.0)], cores=2) == pytest.approx(3.0)
    assert seconds([Work(1.0)], [Work(1.0)], [Work(1.0)], cores=2) == pytest.approx(1.5)


def test_cores_that_all_work_slow_each_other_down():
    """Both work for 1.5 s where each would need 1 s; alone it needs 1 s."""
    assert seconds([Work(1.0)], [Work(1.0)], cores=2, slowdown=1.5) == pytest.approx(1.5)
    assert seconds([Work(1.0)], cores=2, slowdown=1.5) == pytest.approx(1.0)


def test_who_is_idle_needs_no_core():
    assert seconds([Idle(2.0)], [Idle(2.0)], [Work(2.0)]) == pytest.approx(2.0)
    assert seconds([Work(1.0), Idle(1.0)], [Work(1.0), Idle(1.0)]) == pytest.approx(3.0)


def test_who_waits_goes_on_when_it_may():
    there = []

    def other():
        yield Work(2.0)
        there.append(1)

    processes = [Process(other()), Process(iter([Until(lambda: len(there) > 0), Work(1.0)]))]
    over = lambda: processes[1].now is None
    assert simulate(Cores(1), processes, over) == pytest.approx(3.0)


def test_who_waits_for_each_other_is_told():
    with pytest.raises(RuntimeError, match="wait for each other"):
        simulate(Cores(1), [Process(iter([Until(lambda: False)]))], lambda: False)


def rate(word, its_costs, collectors=2, learners=2, cores=2, **options):
    found = predict(word, its_costs, collectors, learners, cores, **options)
    return found.steps_per_second


def test_one_process_takes_what_its_parts_take():
    """10 env steps in 3 s of collecting, 1 s of them idle, and 2 s of learning: 2 per second."""
    assert rate("3cs", costs(collect=2.0, idle=1.0, learn=2.0)) == pytest.approx(2.0)


def test_collectors_side_by_side():
    """Two rollouts in 2 s, and 2 s to learn from both: 20 env steps in 4 s; on one core in 6 s."""
    its_costs = costs(collect=2.0, learn=1.0)
    assert rate("ds2cs", its_costs) == pytest.approx(5.0)
    assert rate("ds2cs", its_costs, cores=1) == pytest.approx(20 / 6)


def test_an_asynchronous_learner_waits_for_nobody():
    """Learning takes 2 s of each rollout, collecting 1 s by two: the learner is always busy."""
    found = predict("da2cs", costs(collect=1.0, learn=2.0), 2, 2, cores=3)
    assert found.steps_per_second == pytest.approx(5.0) and found.busy == pytest.approx(1.0)


def test_simulators_that_wait_share_one_core():
    """16 collectors that sleep 1 s per rollout and do nothing else: 160 env steps per second."""
    assert rate("da2cs", costs(idle=1.0), collectors=16, cores=1) == pytest.approx(160, rel=0.05)


def test_what_calls_cost_is_paid():
    """1 s to collect, 1 s in the worker, 1 s of latency, and 1 s to call and take: 10 in 4 s."""
    transfers = {"rollout": Transfer(0.5, 0.5, 1.0, 1.0)}
    its_costs = costs(collect=1.0, transfers=transfers)
    assert rate("ds2cs", its_costs, collectors=1) == pytest.approx(2.5)


def test_replicas_meet():
    """Both compute for 1 s, average for 1 s of a core and 2 s of waiting: two rollouts in 4 s."""
    assert rate("3ds", costs(gradients=1.0, reduce=Reduction(1.0, 2.0))) == pytest.approx(5.0)


def test_lags_by_hand():
    """Of 4 updates per rollout the data are 0, 1, 2, 3 versions old; of two asynchronous learners each
    gradient is one version old."""
    its_costs = costs(collect=1.0, learn=1.0, gradients=1.0, num_updates=4)
    for word in ("3cs", "ds2cs", "2dacs", "3ds"):
        found = predict(word, its_costs, 2, 2, 2)
        assert (found.collection_lag, found.gradient_lag) == pytest.approx((1.5, 0.0))
    assert predict("2daca", its_costs, 2, 2, 2).gradient_lag == pytest.approx(1.0)


@pytest.mark.parametrize("word", ["3cs", "ds2cs", "2dacs", "3ds"])
def test_lags_of_synchronous_schemes_are_those_of_the_schemes(word):
    counts = {key: 2 for key in ("collectors", "learners") if key in TAKES[word]}
    run = Learner(scheme(word, CARTPOLE_PPO, **counts), CARTPOLE_PPO.init(0), 1, 64, progress=False)
    row = run.run().metrics[-1]
    run.close()
    its_costs = costs(collect=1.0, learn=1.0, gradients=1.0, num_updates=4)
    found = predict(word, its_costs, 2, 2, 2)
    lags = row["collection_lag"], row["gradient_lag"]
    assert (found.collection_lag, found.gradient_lag) == pytest.approx(lags)


@pytest.mark.parametrize("word", SCHEMES)
def test_every_scheme_is_simulated(word):
    """No more than what all cores could do: 10 env steps per 3 s of work, on 4 cores."""
    its_costs = costs(collect=1.0, learn=2.0, gradients=2.0)
    assert 0 < rate(word, its_costs, 4, 2, cores=4) <= 4 * 10 / 3 + 1e-6


def test_ahead_is_simulated():
    """While the learner takes 1 s, a collector of 1 s goes on, if it may be ahead."""
    its_costs = costs(collect=1.0, learn=1.0)
    slow, fast = (rate("da2cs", its_costs, 1, ahead=n) for n in (0, 1))
    assert slow == pytest.approx(5.0) and fast == pytest.approx(10.0)
