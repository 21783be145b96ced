"""Statistics move only with a gradient that was accepted, as weights do."""

import itertools

import pytest
import torch

from nappo2 import PPO, SAC, envs, population, ppo, repeat, sac
from nappo2.maths.moments import no_moments
from nappo2.populations._population import member
from nappo2.reports import Report
from nappo2.stages.learning.update import moved

NAN = float("nan")


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """Refused batches are written here."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def times_nan(loss, at):
    """The loss, which is no number in these calls."""
    calls = itertools.count()

    def broken(params, batch):
        value, means = loss(params, batch)
        return value * (NAN if next(calls) in at else 1.0), means

    return broken


def trained(at, fused):
    """Params before and after each of three rollouts of two minibatches."""
    s = ppo(envs.cartpole(2), PPO(num_steps=8, num_minibatches=2, num_epochs=1, hidden=(4,)))
    s = s.replace(loss=times_nan(s.loss, at))
    pipe = s.central if fused else s.line | repeat(2)
    history, counts = [s.init(0)], []
    state = pipe.init(history[0], 0)
    for _ in range(3):
        state, params, report = pipe.step(history[-1], state)
        history.append(params)
        counts.append(report.sums.get("refused_moments", 0))
    return history, counts


@pytest.mark.parametrize("at", [(), (0,), (1,), (2,), (3,), (2, 3), (0, 1), (1, 5), (0, 3, 4)])
def test_statistics_move_with_the_gradient_that_brings_them(at, same):
    """The second of each rollout; fused is composed to the last bit."""
    (fused, counts), (composed, _) = trained(at, True), trained(at, False)
    assert all(map(same, fused, composed))
    for i, (before, after) in enumerate(itertools.pairwise(fused)):
        refused = 2 * i + 1 in at
        assert same(before["normalizer"], after["normalizer"]) == refused
        assert counts[i] == (2 if refused else 0)  # of observations and of returns
        assert same(before["weights"], after["weights"]) == ({2 * i, 2 * i + 1} <= set(at))
        assert after["version"] == 2 * (i + 1)  # which counts gradients, taken or not


@pytest.mark.parametrize("last", [False, True])
def test_batches_of_a_replay_bring_statistics_too(last, same):
    """With the last of four."""
    config = SAC(num_steps=2, start_steps=0, batch_size=8, capacity=100, hidden=(4,))
    s = sac(envs.pendulum(2), config)
    s = s.replace(loss=times_nan(s.loss, {3 if last else 2}))
    pipe, params = s.central, s.init(0)
    params["normalizer"] = no_moments(observation=(3,))
    _, after, report = pipe.step(params, pipe.init(params, 0))
    assert after["version"] == 4 and not same(after["weights"], params["weights"])
    assert same(after["normalizer"], params["normalizer"]) == last
    assert ("refused_moments" in report.sums) == last


def test_a_member_is_refused_on_its_own(same):
    """The first of two, by its gamma; of the other all moves."""
    s = ppo(envs.cartpole(2), PPO(num_steps=8, num_minibatches=1, num_epochs=1, hidden=(4,)))
    loss = s.loss

    def broken(params, batch):
        value, means = loss(params, batch)
        return value * torch.where(params["hyper"]["gamma"] == 0.5, NAN, 1.0), means

    many = population(s.replace(loss=broken), 2, gamma=[0.5, 0.9])
    pipe, params = many.central, many.init(0)
    _, after, report = pipe.step(params, pipe.init(params, 0))
    for i, refused in enumerate((True, False)):
        for name in ("weights", "normalizer"):
            before, later = (member(x, i)[name] for x in (params, after))
            assert same(before, later) == refused
    assert report.sums["refused_moments"] == 2


def test_moments_that_are_not_finite_are_counted_and_go_no_further(same):
    normalizer = no_moments(**{"observation": (2,), "return": ()})
    moments = {"observation": torch.full((3, 2), NAN), "return": torch.ones(3).double()}
    after, report = moved(normalizer, Report(sums={"env_steps": 4}, moments=moments), ())
    assert same(after["observation"], normalizer["observation"])
    assert after["return", "moments"].tolist() == [1, 1, 1]
    assert report.sums == {"env_steps": 4, "refused_moments": 1}
