"""What tests of compiled stages share."""

import inspect
import warnings

import pytest

from nappo2.maths import returns


@pytest.fixture
def strict(monkeypatch):
    """Has what cannot be compiled be an error; checks of shapes, which only tests have, cannot be."""
    for name, function in vars(returns).copy().items():
        if inspect.isfunction(function):
            monkeypatch.setattr(returns, name, inspect.unwrap(function))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*cannot be compiled")
        yield
