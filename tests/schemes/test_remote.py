"""Workers in processes of their own: the same numbers, and none of their faults ends a run."""

import operator
import os
import signal
import subprocess
import sys
import time
from functools import partial
from itertools import count

import pytest
import torch
from torch.utils._pytree import tree_leaves

from nappo2 import (
    PPO,
    SAC,
    Learner,
    adopt,
    envs,
    gradients,
    join,
    minibatches,
    ppo,
    sac,
    scheme,
    serial,
    workers,
)
from nappo2.reports import flat
from nappo2.schemes.remote import actors_of
from nappo2.stages.recipe import batches_of, collect_of, gradients_of, update_of
from tests.makers.environments import faulty, pids
from tests.makers.recipes import CARTPOLE_PPO, SMALL_PPO, run_of
from tests.makers.stepping import step_until, train_until

NESTED = [pytest.param(name, marks=pytest.mark.faults) for name in ("ds2cs", "ds2ds", "dsdacs")]


def train(name, num_updates=24, **options):
    return train_until(scheme(name, CARTPOLE_PPO, **options), CARTPOLE_PPO.init(0), num_updates)


@pytest.mark.parametrize("name", [pytest.param("2dacs", marks=pytest.mark.faults), "3ds", *NESTED])
def test_ray_computes_what_one_process_computes(name, on_ray, same):
    """Bit for bit, with two workers."""
    params, reports = train(name, on=on_ray())
    expected, their_reports = train(name)
    assert same(params, expected)
    assert join(reports).sums["env_steps"] == join(their_reports).sums["env_steps"]


@pytest.mark.faults
@pytest.mark.parametrize("name", ["2dacs", "3ds"])
def test_a_learner_looks_at_each_rollout_there_too(name, on_ray, same):
    """Before a replay owes a batch: row by row as in one process, and the same params afterwards."""
    config = SAC(hidden=(8,), batch_size=8, capacity=200, start_steps=16)
    recipe, runs = sac(envs.pendulum(2), config), []
    for backend in (on_ray(), serial):
        pipe = scheme(name, recipe, on=backend)
        runs.append(Learner(pipe, recipe.init(0), target_steps=48, progress=False).run())
        runs[-1].close()
    steps, theirs = ([row["env_steps"] for row in run.metrics] for run in runs)
    assert steps == theirs == list(range(4, 49, 4)) and same(runs[0].params, runs[1].params)
    assert [row["updates"] for row in runs[0].metrics][:3] == [0, 0, 0]


def test_a_run_moves_to_ray_and_back(on_ray, same):
    """With one learner, as if nothing had happened."""
    whole, distributed = (
        scheme("3cs", CARTPOLE_PPO),
        scheme("2dacs", CARTPOLE_PPO, learners=1, on=on_ray()),
    )
    params = CARTPOLE_PPO.init(0)
    state = whole.init(params, 1)
    for pipe, num_steps in ((whole, 2), (distributed, 2 * 4), (whole, 2)):
        state = adopt(pipe, state, params, 99)
        for _ in range(num_steps):
            state, params, _ = pipe.step(params, state)
    assert same(params, train("3cs")[0])


def test_actors_own_actors_and_say_where_time_goes(on_ray):
    pipe = scheme("dadacs", CARTPOLE_PPO, collectors=2, learners=2, on=on_ray())
    assert actors_of(pipe, 1) == 1 + 2 + 2
    params, reports = train("dadacs", 8, collectors=1, learners=1, on=on_ray())
    assert params["version"] == 8 and reports[-1].means["gradient_lag"].value == 0
    total = join(reports)
    collected = [span for span in total.spans if span.name == "collect"]
    assert {span.worker for span in collected} == {("learners 0", "collectors 0")}
    mine = [
        span for span in total.spans if not span.worker
    ]  # by the same clock as those of workers
    start, end = min(span.start for span in mine), max(span.start + span.seconds for span in mine)
    assert all(start < span.start < span.start + span.seconds < end for span in collected)
    assert total.sums["env_steps"] % 16 == 0 and total.sums["restarts"] == 0
    for part in ("collect", "collectors_wait", "gradients", "learners_transfer", "update"):
        assert flat(total)[f"{part}_seconds"] > 0


def test_rollouts_arrive_as_shared_memory_and_in_the_order_of_their_calls(on_ray):
    pipe, params = collect_of(CARTPOLE_PPO) | workers(2, on=on_ray()), CARTPOLE_PPO.init(0)
    here = collect_of(CARTPOLE_PPO) | workers(2)
    _, rollout, _ = pipe.step(params, pipe.init(params, 1))
    _, expected, _ = here.step(params, here.init(params, 1))
    assert torch.equal(rollout["observation"], expected["observation"])


# --- what goes wrong


def faulty_run(folder, name, on, **counts):
    return run_of(ppo(faulty(folder), SMALL_PPO), name, on=on, **counts)


@pytest.mark.parametrize(
    "faults", [("raise", "kill"), pytest.param(("exit", "hang"), marks=pytest.mark.faults)]
)
def test_a_collector_that_is_lost_is_replaced(faults, on_ray, tmp_path, caplog):
    """While the other goes on; every step that was delivered is counted once.

    A replacement whose process does not come is replaced itself after a minute, and told of, too.
    """
    learner = faulty_run(tmp_path, "da2cs", on_ray(deadline=3.0))
    step_until(learner, lambda: learner.env_steps >= 160)
    for restarts, fault in enumerate(faults, 1):
        if fault == "kill":
            os.kill(min(pids(tmp_path)), signal.SIGKILL)
        else:
            (tmp_path / fault).write_text("")
        step_until(learner, partial(collectors_are_back, learner, tmp_path, restarts))
        counted = learner.params["normalizer", "observation", "moments"][0, 0]
        told = sum("is replaced" in record.message for record in caplog.records)
        assert learner.env_steps == counted, fault
        assert learner.sums["restarts"] == told >= restarts, fault
    assert sum("restarted" in row.get("event", "") for row in learner.metrics) >= 1
    learner.close()


def collectors_are_back(learner, folder, restarts):
    """Whether two live, and each has delivered since the last fault."""
    members = learner.state["collectors"].members
    replaced = learner.sums["restarts"] >= restarts and len(pids(folder)) == 2
    return replaced and all(member.failures == 0 for member in members)


@pytest.mark.faults
@pytest.mark.parametrize("name", ["2dacs", "dadacs", "ds2ds", "da2ds"])
def test_a_learner_that_is_lost_is_replaced(name, on_ray, tmp_path):
    """Versions only grow. In 3ds, where the others regroup, two are lost at once: see below."""
    learner = faulty_run(tmp_path, name, on_ray())
    step_until(learner, lambda: learner.env_steps >= 160)
    version = learner.params["version"]
    victims = pids(tmp_path) if name == "2dacs" else _learners(learner)
    os.kill(min(victims), signal.SIGKILL)
    step_until(learner, lambda: learner.sums["restarts"] >= 1)
    after = learner.params["version"]
    step_until(learner, lambda: learner.params["version"] >= after + 8)
    assert version <= after
    counted = learner.params["normalizer", "observation", "moments"][0, 0]
    assert learner.env_steps == counted
    step_until(learner, lambda: len(pids(tmp_path)) == 2)  # the collectors of a lost one are gone
    learner.close()


@pytest.mark.faults
@pytest.mark.timeout(240)  # of nine deaths
def test_a_learner_that_dies_while_its_group_meets_again_is_replaced_too(on_ray, monkeypatch):
    """The first dies; at the next call of a phase the second does: both are replaced, counts exact.

    Where the second lives, it keeps the optimiser's state: all of a group have the same afterwards.
    """
    from nappo2.schemes.remote import grouping

    run = run_of(CARTPOLE_PPO, "3ds", on=on_ray())
    step_until(run, lambda: run.env_steps >= 32)
    real = grouping.answers
    for phase, calls in {"none": None, "node": 0, "meet": 2, "join": 3, "ask": 4}.items():
        first, second = sorted(_learners(run))
        monkeypatch.setattr(grouping, "answers", killing(real, second, calls))
        os.kill(first, signal.SIGKILL)
        lost = 1 if phase == "none" else 2
        step_until(run, partial(restarted, run, run.sums["restarts"] + lost))
        monkeypatch.setattr(grouping, "answers", real)
        step_until(run, partial(updated, run, run.params["version"] + 8))
        counted = run.params["normalizer", "observation", "moments"][0, 0]
        dead = {first} if phase == "none" else {first, second}
        assert run.env_steps == counted and not _learners(run) & dead, phase
        moments = [tree_leaves(run.state["learners"].ask(i)["update"]) for i in range(2)]
        assert all((torch.as_tensor(a) == b).all() for a, b in zip(*moments, strict=True)), phase
    run.close()


def killing(answers, victim, rest):
    """``answers``, which kills a process at the call after so many others; of None at no call."""
    calls = count()

    def counted(refs, *args, **options):
        if next(calls) == rest:
            os.kill(victim, signal.SIGKILL)
        return answers(refs, *args, **options)

    return counted


def restarted(run, restarts):
    return run.sums["restarts"] >= restarts


def updated(run, version):
    return run.params["version"] >= version


@pytest.mark.faults
def test_a_ray_that_somebody_uses_is_never_shut_down():
    """A larger Learner beside a smaller one, whose actors take no CPUs, and an object of the user's."""
    code = """
import ray
from nappo2 import PPO, Learner, envs, on_ray, ppo, scheme
recipe = ppo(envs.cartpole(2), PPO(num_steps=8, num_minibatches=1, hidden=(4,)))
def learner(collectors, on):
    pipe = scheme("da2cs", recipe, collectors=collectors, on=on)
    return Learner(pipe, recipe.init(0), progress=False)
small = learner(1, on_ray(num_cpus=0))
small.step()
mine = ray.put("mine")
large = learner(2, on_ray())
large.step(), small.step()
print(ray.get(mine), small.env_steps, large.env_steps)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert run.stdout == "mine 32 16\n", run.stderr


def _learners(learner):
    ask = learner.state["learners"].backend.ask
    return {
        ask(member.worker, lambda pipe, state: (pipe, state, os.getpid()))
        for member in learner.state["learners"].members
    }


def test_what_never_worked_is_raised_at_once(on_ray, tmp_path):
    """With the original error, and that of the worker as its cause."""
    (tmp_path / "always").write_text("")
    learner = faulty_run(tmp_path, "da2cs", on_ray(), collectors=1)
    with pytest.raises(ZeroDivisionError, match="the simulator broke") as raised:
        learner.step()
    assert "environments.py" in str(raised.value.__cause__)
    learner.close()


@pytest.mark.faults
def test_a_crash_loop_ends_with_its_cause(on_ray, tmp_path):
    learner = faulty_run(tmp_path, "2dacs", on_ray(max_restarts=1), learners=1)
    step_until(learner, lambda: learner.env_steps >= 64)
    (tmp_path / "always").write_text("")
    with pytest.raises(RuntimeError, match="was lost 2 times in a row") as raised:
        step_until(learner, lambda: False)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    learner.close()


def test_what_fails_at_its_start_is_raised_there(on_ray):
    def reset(seed):
        raise FileNotFoundError("no such simulator")

    recipe = ppo(envs.cartpole(2)._replace(reset=reset), SMALL_PPO)
    pipe = scheme("da2cs", recipe, collectors=1, on=on_ray())
    with pytest.raises(FileNotFoundError, match="no such simulator"):
        pipe.init(recipe.init(0), 0)


def test_what_cannot_be_sent_is_named_before_a_worker_starts(on_ray):
    lock = __import__("threading").Lock()

    def loss(params, batch):
        with lock:
            return batch["advantage"].mean(), {}

    line = (
        collect_of(CARTPOLE_PPO)
        | CARTPOLE_PPO.prepare
        | batches_of(CARTPOLE_PPO)
        | gradients(loss)
        | workers(2, on=on_ray())
    )
    with pytest.raises(ValueError, match=r"pipeline\..*\.loss\.lock cannot be sent to a worker"):
        line.init(CARTPOLE_PPO.init(0), 0)


def test_what_is_large_by_accident_is_named_too(on_ray):
    table = torch.zeros(1_000_000)

    def loss(params, batch):
        return (batch["advantage"] * table[0]).mean(), {}

    line = (
        collect_of(CARTPOLE_PPO)
        | CARTPOLE_PPO.prepare
        | batches_of(CARTPOLE_PPO)
        | gradients(loss)
        | workers(2, on=on_ray())
    )
    with pytest.raises(ValueError, match=r"\.loss\.table takes 4\.\d MB"):
        line.init(CARTPOLE_PPO.init(0), 0)


def test_workers_that_find_no_place_are_said_to(on_ray):
    """At once where nobody has it, and nobody adds nodes; otherwise when their time is over."""
    pipe = scheme("2dacs", CARTPOLE_PPO, learners=2, on=on_ray(num_cpus=100))
    words = (
        r"2 workers find no place: each needs 100 CPU, and 127.0.0.1 has \d of 5 CPU free; no node"
    )
    with pytest.raises(RuntimeError, match=words):
        pipe.init(CARTPOLE_PPO.init(0), 0)
    pipe = scheme("2dacs", CARTPOLE_PPO, learners=2, on=on_ray(num_cpus=4, place_deadline=0.5))
    with pytest.raises(
        RuntimeError, match=r"each needs 4 CPU, .*; the workers of a Learner that is no"
    ):
        pipe.init(CARTPOLE_PPO.init(0), 0)


def test_a_worker_that_waits_for_its_process_is_told_of(on_ray, monkeypatch, caplog):
    """Five CPUs are free and each takes a hundred, where nobody has looked for a place before."""
    from nappo2.schemes.remote import backend, calls

    monkeypatch.setattr(backend, "wait_for_room", lambda *args: None)
    monkeypatch.setattr(backend, "START_SECONDS", 2.0)
    monkeypatch.setattr(calls, "SLOW_SECONDS", 0.5)
    pipe = scheme("2dacs", CARTPOLE_PPO, learners=2, on=on_ray(num_cpus=100, deadline=0.5))
    words = r"1 of 1 workers still wait for Ray to give them a place and a process: .* of 5 CPU"
    with pytest.raises(TimeoutError, match=words):
        pipe.init(CARTPOLE_PPO.init(0), 0)
    assert "after 0.5 s 1 of 1 workers still wait" in caplog.text


@pytest.mark.faults
@pytest.mark.parametrize("name", ["2dacs", "3ds"])
def test_stragglers_on_ray_stop_early_and_their_steps_are_counted(name, on_ray):
    """One of two learners sleeps 20 ms a step; with half its rollout it is let go."""

    def slow_second():
        env = envs.cartpole(2)

        def reset(seed):
            state, observation = env.reset(seed)
            return (state, seed == SLOW), observation

        def step(pair, action):
            state, slow = pair
            time.sleep(0.02 * slow)
            state, *rest = env.step(state, action)
            return (state, slow), *rest

        return env._replace(reset=reset, step=step)

    from nappo2 import fold_in, split

    SLOW = split(fold_in(fold_in(1, 1), "collect"), 3)[0]  # of the second worker
    config = PPO(num_steps=40, num_epochs=1, num_minibatches=2, hidden=(8,))
    recipe = ppo(slow_second(), config)
    pipe = scheme(name, recipe, learners=2, wait_for=1, preempt=0.5, on=on_ray())
    params, counts = recipe.init(0), []
    state = pipe.init(params, 1)
    for _ in range(6):
        state, params, report = pipe.step(params, state)
        counts.append(int(report.sums.get("env_steps", 0)))
    if name == "2dacs":  # a step is one of two updates
        assert counts[0::2] == [0, 0, 0]
        counts = counts[1::2]
    # 2 x 40, and 2 x 20 at least
    assert all(80 + 40 <= n < 80 + 60 for n in counts), counts
    assert params["normalizer", "observation", "moments"][0, 0] == sum(counts)
    state["learners"].stop()


def test_workers_on_ray_receive_another_pipeline_and_keep_their_memory(on_ray):
    """The same processes go on with the same episodes, with one minibatch instead of two."""
    on = on_ray()
    run = Learner(scheme("2dacs", CARTPOLE_PPO, on=on), CARTPOLE_PPO.init(0), progress=False)
    run.step()
    cut = run.state["learners"]
    before = [cut.ask(i)["collect"].length.tolist() for i in range(2)]
    changed = (
        collect_of(CARTPOLE_PPO)
        | CARTPOLE_PPO.prepare
        | minibatches(1, 1)
        | gradients_of(CARTPOLE_PPO)
    )
    run.adopt(changed | workers(2, on=on, name="learners") | update_of(CARTPOLE_PPO))
    cut, old = run.state["learners"], cut
    assert [m.worker for m in cut.members] == [m.worker for m in old.members]
    assert [cut.ask(i)["collect"].length.tolist() for i in range(2)] == before
    for _ in range(5):
        run.step()
    assert [row["env_steps"] for row in run.metrics] == [32, 64, 96]  # of 4, 1 and 1 updates
    assert [row["updates"] for row in run.metrics] == [4, 5, 6]
    run.close()


def test_live_simulators_do_not_travel_and_begin_anew(on_ray):
    """From a collector on Ray to none: the optimiser goes on, the episodes do not."""
    recipe = ppo(envs.make("CartPole-v1", 2), SMALL_PPO)
    pipe = scheme("da2cs", recipe, collectors=1, on=on_ray())
    run = Learner(pipe, recipe.init(0), progress=False)
    run.step()
    moments = tree_leaves(run.state["update"])
    run.adopt(scheme("3cs", recipe))
    assert all(map(operator.is_, tree_leaves(run.state["update"]), moments))
    assert (run.state["collect"].length == 0).all()
    assert run.step()["env_steps"] == 32
