"""The page of the comparison, from the figures that ``nox -s compare`` keeps."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DOCS, KEPT = ROOT / "docs", ROOT / "benchmarks/results/compare.json"
COMMAND, PEER = "nox -s compare", "Stable-Baselines3"


def kept() -> dict[str, Any]:
    """The figures of the last comparison."""
    return json.loads(KEPT.read_text())


def page(data: Mapping[str, Any]) -> str:
    """The page of the comparison."""
    text = table(data["rows"])
    facts = {"rounds": data["rounds"], "cpu": data["cpu"], **data["versions"]}
    return PAGE.format(table=text, command=COMMAND, **facts)


def table(found: list[dict]) -> str:
    """In Markdown, medians with quartiles."""
    lines = [
        "| what | who | env steps/s | per CPU second | over Stable-Baselines3 |",
        "|---|---|---|---|---|",
    ]
    for row in found:
        wall, cpu = (f"{x[1]:,.0f} ({x[0]:,.0f} to {x[2]:,.0f})" for x in (row["wall"], row["cpu"]))
        low, middle, high = row["ratio"]
        ratio = f"{middle:.2f} ({low:.2f} to {high:.2f})"
        lines.append(f"| {row['what']} | {row['who']} | {wall} | {cpu} | {ratio} |")
    return "\n".join(lines)


def short_table(data: Mapping[str, Any]) -> str:
    """Env steps per second alone, for the README."""
    rates = {(row["what"], row["who"]): f"{row['wall'][1]:,.0f}" for row in data["rows"]}
    (cheetah, _), *_, (pole, _) = rates
    bare = rates[cheetah, "the bare simulator"]
    places = {
        f"HalfCheetahBullet, 8 environments; the bare simulator alone: {bare}": (cheetah, ""),
        "CartPole-v1 of Gymnasium, 8 environments": (pole, ""),
        "CartPole-v1 in torch, 1,024 environments": (pole, ", torch x 1,024"),
    }
    lines = [
        "| env steps per second | nappo2, compiled (`--jit`) | nappo2 | Stable-Baselines3 | TorchRL |",
        "|---|---|---|---|---|",
    ]
    for title, (what, where) in places.items():
        others = (
            [rates[what, who] for who in ("nappo2", PEER, "TorchRL")] if not where else [""] * 3
        )
        cells = [title, f"**{rates[what, f'nappo2, jit{where}']}**", *others]
        lines.append("| " + " | ".join(cells).rstrip() + " |")
    return "\n".join(lines)


PAGE = """# Comparison with Stable-Baselines3 and TorchRL

PPO with the same networks (64-64 tanh, separate), hyper-parameters and environments, one torch
thread, in one process, on one core of an {cpu}. The libraries take turns,
{rounds} rounds; medians, with quartiles in brackets. Made by `{command}`,
with stable-baselines3 {sb3}, torchrl {torchrl} and torch {torch}.
TorchRL runs its own example (collector, GAE, ClipPPOLoss, replay buffer of minibatches), with fused
Adam. Rates depend on the machine, so compare ratios with those of [Benchmarks](benchmarks.md).

{table}

![env steps/s over Stable-Baselines3's](pictures/comparison.png)
"""
