"""What all tests share. Shapes in the types of ``nappo2.maths`` are checked while they run."""

import pytest
import torch
from jaxtyping import install_import_hook

install_import_hook("nappo2.maths", "beartype.beartype")

torch.set_num_threads(1)


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
