"""The examples in docstrings run, and all that people call has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest
import torch

import nappo2

MODULES = [
    found.name
    for found in pkgutil.walk_packages(nappo2.__path__, "nappo2.")
    if "cli" not in found.name and "__main__" not in found.name
]
FINDER = doctest.DocTestFinder(exclude_empty=True)
EXTERNAL = {
    *("from_minari", "to_minari", "video", "videos", "on_ray"),
    *("atari", "envpool", "minigrid", "pybullet", "goal_env"),
}
"""What needs a package beside nappo2's own, files or Ray; pages show it."""


def names() -> dict:
    """What ``import torch`` and ``from nappo2 import *`` give, as the page on the API says."""
    return {"torch": torch} | {name: getattr(nappo2, name) for name in nappo2.__all__}


def examples(module: str) -> list[doctest.DocTest]:
    """Those of one module's own functions and classes."""
    found = FINDER.find(importlib.import_module(module), globs=names())
    return [test for test in found if test.examples]


WITH_EXAMPLES = [name for name in MODULES if examples(name)]


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_run(module):
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    told: list[str] = []
    for test in examples(module):
        runner.run(test, out=told.append, clear_globs=True)
    assert not runner.failures, "".join(told)


def has_example(x) -> bool:
    return ">>>" in (inspect.getdoc(inspect.unwrap(x)) or "")


def test_all_functions_that_people_call_have_an_example():
    """Those of the top level, and of the modules that people import from, as in ``optim.adam()``."""
    people_call = {name: getattr(nappo2, name) for name in nappo2.__all__}
    modules = ("optim", "policies", "losses", "networks", "envs", "stages", "recipes", "search")
    for module in modules:
        found = importlib.import_module(f"nappo2.{module}")
        people_call |= {f"{module}.{name}": getattr(found, name) for name in found.__all__}
    functions = {name: x for name, x in people_call.items() if is_function(x)}
    without = {name for name, x in functions.items() if not has_example(x)}
    assert {name for name in without if name.rpartition(".")[2] not in EXTERNAL} == set()


def is_function(x) -> bool:
    return inspect.isfunction(inspect.unwrap(x)) if callable(x) else False
