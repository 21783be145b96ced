"""The notebooks run from a clean kernel, and were committed with what they show.

Here a run of theirs ends early, and those that start Ray are left out; ``nox -s notebooks`` runs all
as they are, twice.
"""

import os
import sys
from pathlib import Path
from uuid import uuid4

import nbformat
import pytest
from nbclient import NotebookClient

from tests.makers.processes import check_all_gone, environ_with

NOTEBOOKS = sorted(Path(__file__).parents[2].glob("notebooks/*.ipynb"))
of_each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


@pytest.fixture
def kernel_env():
    """An environment by which the processes of a kernel are known; none of them is left afterwards.

    A cell of ``bash`` finds the command line of this Python first.
    """
    mark = uuid4().hex
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    yield environ_with(mark) | {"PATH": path}
    check_all_gone(mark)


EARLY = """
exec('''
from nappo2 import Learner
from nappo2.search import Budget
Budget.steps = property(lambda budget: tuple(64 * (i + 1) for i in range(budget.rungs)))
Learner.done = lambda run: run.env_steps >= max(1_000, run.target_steps // 8)
''', {})
"""


ON_RAY = ("2_seven_schemes.ipynb", "4_to_ray.ipynb", "9_time_travel.ipynb")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.notebooks] * (path.name in ON_RAY), id=path.name)
        for path in NOTEBOOKS
    ],
)
def test_a_notebook_runs_from_a_clean_kernel(path, kernel_env):
    """An error in a cell is raised here.

    A run ends after an eighth, but not before 1,000 steps. The rungs of a search are 64 steps apart.
    """
    notebook = nbformat.read(path, 4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(EARLY))
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=240, resources=resources).execute(env=kernel_env)


@of_each_notebook
def test_a_notebook_was_committed_with_its_outputs(path):
    """All cells ran once, in order, without a warning, and at least one drew a picture."""
    notebook = nbformat.read(path, 4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output.text for output in outputs if output.get("name") == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.mark.notebooks
@of_each_notebook
def test_a_notebook_runs_twice_in_one_kernel(path, kernel_env):
    """From top to bottom, and again, as somebody does who changed something above."""
    resources = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(nbformat.read(path, 4), timeout=240, resources=resources)
    with client.setup_kernel(env=kernel_env):
        for _ in range(2):
            for i, cell in enumerate(client.nb.cells):
                client.execute_cell(cell, i)
