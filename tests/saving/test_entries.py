"""A file that is only appended to: whole entries stay, whatever happens at its end."""

import signal
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nappo2.saving.archive import Damaged
from nappo2.saving.entries import EntryFile, decoded, encoded, read_entries

NUMBERS = st.integers(0, 2**70)
ENTRIES = st.recursive(NUMBERS, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=20)
THREE = [(0, 1), (1, (2, (3, 300)), ()), (2**64, 5)]


@settings(max_examples=200, deadline=None)
@given(st.lists(ENTRIES, max_size=5).map(tuple))
def test_an_entry_is_read_as_it_was_written(entry):
    assert decoded(encoded(entry), "here") == entry


def test_a_small_entry_takes_a_byte_for_each_number_and_each_tuple():
    """Besides the 8 of its length and digest; a number above 63 takes more."""
    assert len(encoded((1, (2, 3)))) == 5 and len(encoded((2**32,))) == 1 + 5


def written(path, entries):
    file = EntryFile(path)
    for entry in entries:
        file.append(entry)
    file.close()
    return path.read_bytes()


def test_a_torn_last_entry_is_dropped_and_the_next_one_takes_its_place(tmp_path):
    """Wherever it is torn."""
    path = tmp_path / "file"
    two, three = written(path, THREE[:2]), written(path, THREE[2:])
    for end in range(len(two), len(three)):
        path.write_bytes(three[:end])
        assert read_entries(path) == THREE[:2]
        written(path, [(7,)])
        assert read_entries(path) == [*THREE[:2], (7,)]


def test_a_changed_byte_is_noticed(tmp_path):
    """Within the last entry it could be one that is torn, by a power failure: that is dropped."""
    path = tmp_path / "file"
    data = written(path, THREE)
    start = len(written(tmp_path / "two", THREE[:2]))
    for i in range(len(data)):
        path.write_bytes(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
        try:
            entries = read_entries(path)
        except Damaged:
            continue
        assert entries == THREE[: len(entries)] and (i >= start or len(entries) < 2)


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("env_steps,updates\n")
    with pytest.raises(Damaged, match="no record of timing"):
        read_entries(path)
    with pytest.raises(Damaged, match="no record of timing"):
        EntryFile(path).append((1,))
    assert path.read_text() == "env_steps,updates\n"


KILLED = """
import sys
from pathlib import Path
from nappo2.saving.entries import EntryFile
file = EntryFile(Path(sys.argv[1]))
for i in range(10**9):
    file.append((i, (i, i)))
    print(i, flush=True)
"""


def test_what_was_written_survives_a_sigkill(tmp_path):
    """All entries of which the process had said so."""
    path = tmp_path / "file"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
    )
    said = [process.stdout.readline() for _ in range(200)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    entries = read_entries(path)
    assert len(entries) >= len(said) == 200
    assert entries == [(i, (i, i)) for i in range(len(entries))]
