"""A convolutional network learns from pixels. ``pytest -m learning -s`` shows the figures."""

import pytest

from tests.makers.commands import trained, trained_with_seeds

pytestmark = pytest.mark.learning


@pytest.mark.timeout(1800)
def test_ppo_catches_what_it_sees(tmp_path):
    """The mean return of the last 100 episodes, at most 1, reaches 0.95 within 5 minutes."""
    caught = []
    for result, rows in trained_with_seeds(tmp_path, range(3), "ppo", "--env", "torch/Catch-v0"):
        when = [row for row in rows if row.get("episode_return", -1) >= 0.95]
        caught.append(bool(when) and when[0]["seconds"] <= 300)
        first = "0.95 never"
        if when:
            first = f"0.95 after {when[0]['env_steps']:,.0f} steps, {when[0]['seconds']:.0f} s"
        print(
            f"torch/Catch-v0, seed {result['seed']}: {first}; {result['episode_return']} in the end, "
            f"{result['env_steps']:,} steps in {result['seconds']:.0f} s"
        )
    assert all(caught)


@pytest.mark.timeout(1800)
def test_ppo_plays_20_000_steps_of_pong(tmp_path):
    """19 whole rollouts and one more: returns of whole games, and 16 updates per rollout."""
    options = ("ppo", "--env", "PongNoFrameskip-v4", "--total-steps", "20000", "--threads", "2")
    result, rows = trained(tmp_path, *options, "--monitor")
    print(
        f"PongNoFrameskip-v4: {result['env_steps']:,} steps, {result['updates']} updates, "
        f"{result['steps_per_second']:.0f} steps/s, return {result['episode_return']}"
    )
    assert result["env_steps"] == 20 * 1024 and result["updates"] == 20 * 16
    assert -21 <= result["episode_return"] <= 21
    assert all(row["loss"] == row["loss"] for row in rows)
    lines = [path.read_text().splitlines()[2:] for path in (tmp_path / "monitor").iterdir()]
    found = [float(line.split(",")[0]) for games in lines for line in games]
    assert found and sum(found) / len(found) == pytest.approx(result["episode_return"], abs=1e-3)
