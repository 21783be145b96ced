"""In a kernel, by its protocol: watched, interrupted, gone on with, run again, killed."""

import os
import time
from pathlib import Path
from queue import Empty
from uuid import uuid4

import nbformat
import pytest
from jupyter_client.manager import KernelManager

from tests.makers.processes import PATIENCE, check_all_gone, environ_with, marked, until

pytestmark = pytest.mark.timeout(300)
SETUP = """
from nappo2 import *
recipe = ppo(envs.cartpole(2), PPO(num_steps=32, num_minibatches=2, num_epochs=2, hidden=(8,)))
params = recipe.init(0)
"""
ENDLESS = """
{learner}
for metrics in live(learner):
    if len(learner.metrics) == 3:
        print("going")
"""

FOLDER = Path(__file__).parents[2] / "notebooks"
ANNOUNCED = """
from nappo2 import Learner
from nappo2.stages.recipe import collect_of, learn_of
step = Learner.step
def announced(learner):
    row = step(learner)
    if len(learner.metrics) == 3:
        print("going", flush=True)
    return row
Learner.step = announced
"""


class Kernel:
    """A kernel whose cells are run one after the other."""

    def __init__(self, folder):
        self.mark, self.manager = uuid4().hex, KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(folder), env=environ_with(self.mark))
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def begin(self, code):
        self.client.execute(code)

    def outputs(self, until=lambda message: False, seconds=PATIENCE):
        """The messages of the cell that is being run, up to its end or ``until`` one of them."""
        found, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except Empty:
                continue
            kind, content = message["msg_type"], message["content"]
            assert kind != "error", "\\n".join(content["traceback"])
            found.append((kind, content))
            if until(content) or content.get("execution_state") == "idle":
                return found
        raise TimeoutError("the cell did not end")

    def run(self, code):
        """What a cell shows: pictures that were put up, how often they changed, and its text."""
        self.begin(code)
        return shown(self.outputs())

    def end(self):
        self.client.stop_channels()
        if self.manager.is_alive():
            self.manager.shutdown_kernel(now=True)


def shown(messages):
    kinds = [kind for kind, content in messages if "image/png" in content.get("data", {})]
    text = "".join(content["text"] for kind, content in messages if kind == "stream")
    text += "".join(c["data"]["text/plain"] for kind, c in messages if kind == "execute_result")
    return kinds.count("display_data"), kinds.count("update_display_data"), text


@pytest.fixture
def kernel(tmp_path):
    one = Kernel(tmp_path)
    yield one
    one.end()
    check_all_gone(one.mark)


def interrupt(kernel):
    """Seconds from the interrupt of a cell that is under way to its end; what it showed."""
    kernel.outputs(lambda content: "going" in content.get("text", ""))
    start = time.monotonic()
    kernel.manager.interrupt_kernel()
    messages = kernel.outputs()
    return time.monotonic() - start, shown(messages)


def test_a_run_is_watched_interrupted_changed_and_gone_on_with(kernel, tmp_path):
    """One picture, changed in place; after an interrupt the next cells go on, under another scheme too."""
    kernel.run(SETUP)
    kernel.begin(
        ENDLESS.format(
            learner="learner = Learner(scheme('3cs', recipe), params, target_steps=10**9)"
        )
    )
    _, (_, updates, _) = interrupt(kernel)
    assert updates >= 1  # the last picture stays
    code = "before = learner.env_steps; learner.step()\n"
    code += "print(learner.interrupted > 0, learner.env_steps - before)"
    assert kernel.run(code)[2] == "True 64\n"
    rerun = (
        "learner.adopt(scheme('2dacs', recipe)); learner.target_steps = learner.env_steps + 512\n"
        + ("for metrics in live(learner): pass\nprint(learner.done())")
    )
    for _ in range(2):  # as often as somebody runs the cell
        pictures, _, text = kernel.run(rerun)
        assert pictures == 1 and text == "True\n"
    code = "import matplotlib.pyplot as plt; print(plt.get_fignums(), learner.run() is learner)"
    assert kernel.run(code)[2] == "[] True\n"


@pytest.mark.notebooks
def test_a_module_that_is_edited_is_reloaded_and_adopted(kernel, tmp_path):
    """A transform in a file of one's own; and nappo2's own module, whose classes are then others."""
    mine = tmp_path / "mine.py"
    mine.write_text("def scaled(params, rollout):\n    return rollout\n")
    kernel.run("%load_ext autoreload\n%autoreload 2\nimport mine" + SETUP)
    line = "collect_of(recipe) | map_items(mine.scaled) | recipe.prepare | learn_of(recipe)"
    assert (
        kernel.run(f"learner = Learner({line}, params); print(learner.step()['env_steps'])")[2]
        == "64\n"
    )
    mine.write_text("def shifted(params, rollout):\n    return rollout\n" * 2)
    os.utime(mine, (time.time() + 2, time.time() + 2))
    line = line.replace("scaled", "shifted")
    text = kernel.run(
        f"learner.adopt({line}); print(learner.step()['env_steps'])\nlearner.pipeline"
    )[2]
    assert text.startswith("128\ncollect(num_steps=32) | shifted | to_device")
    code = "import importlib, nappo2.pipeline.types as types\nimportlib.reload(types)\n"
    code += "learner.adopt(learner.pipeline | map_items(lambda p, x: x)).step()['env_steps']"
    assert kernel.run(code)[2] == "192"


@pytest.mark.faults
def test_on_ray_an_interrupt_leaves_no_busy_worker_and_a_kill_no_process(kernel):
    kernel.run(SETUP)
    line = "scheme('da2cs', recipe, on=on_ray())"
    kernel.begin(ENDLESS.format(learner=f"learner = Learner({line}, params, target_steps=10**9)"))
    seconds, _ = interrupt(kernel)
    assert seconds < 5
    code = (
        "import ray; calls = [ref.object for ref in learner.state['collectors'].pending]\n"
        "print(len(calls), len(ray.wait(calls, num_returns=len(calls), timeout=5)[1]))"
    )
    assert kernel.run(code)[2].endswith(" 0\n")  # all of them are done, and nobody calls again
    assert (
        kernel.run("print(learner.adopt(scheme('da2cs', recipe, on=on_ray())).step() != {})")[2]
        == "True\n"
    )
    assert len(marked(kernel.mark)) > 3
    os.kill(kernel.manager.provisioner.pid, 9)
    until(lambda: not marked(kernel.mark))


@pytest.mark.notebooks
def test_a_notebook_is_interrupted_while_it_learns_and_goes_on(kernel):
    """The first one: its cell that learns ends within 5 s, and all that follow run."""
    notebook = nbformat.read(FOLDER / "1_a_first_pipeline.ipynb", 4)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    learns = next(i for i, code in enumerate(cells) if "live(learner)" in code)
    for code in cells[:learns]:
        kernel.run(code)
    kernel.run(ANNOUNCED)
    kernel.begin(cells[learns])
    seconds, _ = interrupt(kernel)
    assert seconds < 5
    text = kernel.run("print(bool(learner.interrupted), learner.run().done())")[2]
    assert text.endswith("True True\n")  # behind what is announced of the steps that follow
    for code in cells[learns + 1 :]:
        kernel.run(code)
