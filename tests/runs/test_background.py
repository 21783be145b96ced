"""An object that is called in a thread of its own, whatever it does."""

import sys
import threading
import time

import pytest

from nappo2.runs import background
from nappo2.runs.background import Background, Seconds

SHORT = Seconds(opening=0.2, calling=0.2, waiting=0.3, closing=0.3)


class Memory:
    """Keeps what it is given, and waits where it is told to."""

    def __init__(self):
        self.kept, self.closed, self.gate = [], 0, threading.Event()

    def keep(self, x):
        self.kept.append(x)

    def fail(self, error):
        raise error

    def wait(self):
        self.gate.wait(60)

    def close(self):
        self.closed += 1


@pytest.fixture
def memory():
    value = Memory()
    yield value
    value.gate.set()


def test_calls_are_made_in_their_order_and_the_object_is_closed_once(memory):
    thread = Background("memory", lambda: memory)
    for i in range(100):
        thread.send("keep", i)
    thread.send("what it has not", 1)
    assert thread.wait() and memory.kept == list(range(100))
    thread.close()
    thread.close()
    assert memory.closed == 1


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SystemExit(3)])
def test_an_error_is_warned_of_once_and_the_next_calls_are_made(memory, error):
    thread = Background("memory", lambda: memory)
    with pytest.warns(UserWarning, match="memory failed, and the run goes on") as seen:
        for i in range(5):
            thread.send("fail", error)
            thread.send("keep", i)
        thread.wait()
        thread.close()
    assert len(seen) == 1 and memory.kept == [0, 1, 2, 3, 4]


def test_what_cannot_be_made_is_not_tried_again(memory):
    def make():
        memory.keep("tried")
        raise ConnectionError("no route to host")

    with pytest.warns(UserWarning, match="no route to host") as seen:
        thread = Background("memory", make)
        for i in range(3):
            thread.send("keep", i)
        thread.wait()
        thread.close()
    assert len(seen) == 1 and memory.kept == ["tried"]


def test_what_hangs_is_left_behind_with_one_warning(memory):
    thread = Background("memory", lambda: memory, SHORT)
    with pytest.warns(UserWarning, match=r"memory has not answered for 0.2 s") as seen:
        thread.send("wait")
        thread.wait()
        for i in range(3):
            thread.send("keep", i)
        thread.close()
    assert len(seen) == 1 and memory.kept == []


def test_what_hangs_while_it_is_made_is_left_behind(memory):
    with pytest.warns(UserWarning, match="has not answered for 0.2 s") as seen:
        thread = Background("memory", memory.wait, SHORT)
        thread.send("keep", 1)
        assert not thread.wait()
        thread.close()
    assert len(seen) == 1


def test_a_full_queue_waits_for_what_is_slow_and_loses_nothing(memory, monkeypatch):
    monkeypatch.setattr(background, "CAPACITY", 2)
    thread = Background("memory", lambda: memory)
    thread.send("wait")
    threading.Timer(0.2, memory.gate.set).start()
    for i in range(20):
        thread.send("keep", i)
    assert thread.wait() and memory.kept == list(range(20))
    thread.close()


def test_a_full_queue_does_not_wait_for_what_hangs(memory, monkeypatch):
    monkeypatch.setattr(background, "CAPACITY", 2)
    thread = Background("memory", lambda: memory, SHORT)
    with pytest.warns(UserWarning, match="has not answered"):
        thread.send("wait")
        start = time.monotonic()
        for i in range(1_000):
            thread.send("keep", i)
        assert time.monotonic() - start < 30
        thread.close()


def test_one_that_is_slow_still_is_warned_of_at_the_end(memory):
    thread = Background("memory", lambda: memory, SHORT._replace(calling=60.0))
    with pytest.warns(UserWarning, match="memory has 2 calls to make still"):
        thread.send("wait")
        thread.send("keep", 1)
        thread.wait()
    with pytest.warns(UserWarning, match="memory was not closed in 0.3 s"):
        thread.close()


def test_one_that_is_forgotten_is_closed(memory):
    thread = Background("memory", lambda: memory)
    thread.send("keep", 1)
    assert sys.getrefcount(thread) == 2
    del thread
    assert memory.kept == [1] and memory.closed == 1
