"""What all tests share. Shapes in the types of ``maths.returns`` are checked while they run."""

import os
from collections import Counter
from functools import partial
from itertools import chain

os.environ.setdefault("RAY_AUTH_MODE", "token")  # ray reads it once, whoever imports it first

import pytest
import torch
import tyro  # noqa: F401, before a doctest sets builtins._, which it wants to hash when it is imported
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

install_import_hook("nappo2.maths.returns", "beartype.beartype")

torch.set_num_threads(1)

# how long a machine takes to draw an example says nothing of what is tested
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_itemcollected(item):
    """Where tests run in several processes, those that share a Ray run in one.

    A mark that is added once all are collected comes too late: xdist has read them by then.
    """
    if "ray_instance" in item.fixturenames:
        item.add_marker(pytest.mark.xdist_group("ray"))


def pytest_collection_modifyitems(items):
    """Tests that make a Ray of their own run before the shared one is there."""
    items.sort(key=lambda item: item.get_closest_marker("own_ray") is None)


BUDGET = 10.0
"""Seconds that a test may take which is run each time."""
MOST_FILES = 20


def pytest_terminal_summary(terminalreporter):
    """Says how long all tests took together, by file, and which took more than their budget."""
    marked, seconds = {"learning", "faults", "notebooks", "docs", "exports"}, Counter()
    for report in chain.from_iterable(terminalreporter.stats.values()):
        if getattr(report, "when", None) == "call" and not marked & set(report.keywords):
            seconds[report.nodeid] += report.duration
    over = [(name, x) for name, x in seconds.most_common() if x > BUDGET]
    terminalreporter.section("durations budget")
    terminalreporter.write_line(
        f"{len(seconds)} tests took {seconds.total():.0f} s; {len(over)} of them more than "
        f"{BUDGET:.0f} s each, {sum(x for _, x in over):.0f} s together"
    )
    files = Counter()
    for name, x in seconds.items():
        files[name.partition("::")[0]] += x
    for name, x in [*files.most_common(MOST_FILES), *over]:
        terminalreporter.write_line(f"{x:6.1f} s {name}")


@pytest.fixture(scope="session")
def same():
    """Whether two trees are equal to the last bit."""

    def equal(a, b):
        ours, theirs = a.to_dict(), b.to_dict()
        return _same(ours, theirs)

    return equal


def _same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return a.dtype == b.dtype and torch.equal(a, b)


@pytest.fixture
def without_curves(monkeypatch):
    """Has runs leave no curve.png, which takes longer than all else that they write."""
    monkeypatch.setattr("nappo2.runs.curve.draw_curve", lambda *_: None)


@pytest.fixture(scope="session")
def ray_instance():
    """One Ray for all tests; nothing of it is left afterwards."""
    import ray

    from nappo2.schemes.remote.cluster import loopback

    with loopback():
        ray.init(
            address="local",
            num_cpus=5,
            include_dashboard=False,
            log_to_driver=False,
            _node_ip_address="127.0.0.1",
        )
    yield ray
    ray.shutdown()


@pytest.fixture(scope="session")
def on_ray(ray_instance):
    """Workers in processes of their own, for whom machines with other work have time to start."""
    from nappo2 import on_ray

    return partial(on_ray, group_deadline=200.0)
