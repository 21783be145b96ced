"""What other processes take, as Linux counts it."""

import subprocess
import sys

import pytest

from nappo2.advice.children import core_seconds_of_children

WORKS = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_what_children_have_taken_is_counted():
    """One that works for 0.3 s and then waits."""
    before = core_seconds_of_children()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", WORKS], **pipes) as process:
        process.stdout.readline()
        taken = core_seconds_of_children() - before
        process.communicate(b"\n")
    assert taken >= 0.28  # ticks are of 0.01 s, of which each kind of work loses one at most
