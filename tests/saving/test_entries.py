"""A file that is only appended to: whole entries stay, whatever happens at its end."""

import signal
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nappo2.saving.archive import Damaged
from nappo2.saving.entries import decoded, encoded
from nappo2.saving.entry_file import Checked, EntryFile, read_entries

NUMBERS = st.integers(0, 2**70)
ENTRIES = st.recursive(NUMBERS, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=20)
TUPLES = ENTRIES.filter(lambda entry: isinstance(entry, tuple))
CHECKS = st.lists(st.integers(0, 127), max_size=3).map(tuple)
MAGIC = b"nappo2 things 1\n"
THREE = [Checked((0, 1), (5, 6)), Checked((1, (2, (3, 300)), ())), Checked((2**64, 5), (127,))]


@settings(max_examples=200, deadline=None)
@given(st.lists(ENTRIES, max_size=5).map(tuple))
def test_an_entry_is_read_as_it_was_written(entry):
    assert decoded(encoded(entry), "here") == entry


def test_a_small_entry_takes_a_byte_for_each_number_and_each_tuple():
    """A number above 63 takes more."""
    assert len(encoded((1, (2, 3)))) == 5 and len(encoded((2**32,))) == 1 + 5


def written(path, entries, again=True):
    """The bytes of a file to which entries are appended, as such that may come again or not."""
    file = EntryFile(path, MAGIC)
    for entry, checks in entries:
        file.repeat(entry, checks) if again or checks else file.append(entry)
    file.close()
    return path.read_bytes() if path.exists() else b""


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(ENTRIES.filter(lambda x: isinstance(x, tuple)), CHECKS), max_size=12),
    st.booleans(),
    st.integers(0, 12),
)
def test_entries_are_read_as_they_were_written(pairs, again, first):
    """In one go, or by two processes, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        written(path, pairs[:first], again)
        if written(path, pairs[first:], again):
            assert read_entries(path, MAGIC) == pairs


def test_an_entry_that_comes_again_takes_two_bytes_and_in_the_same_order_one(tmp_path):
    """The first of its checks is in the first byte; each further one takes another."""

    def sizes(entries):
        (tmp_path / "file").unlink(missing_ok=True)
        ends = [len(written(tmp_path / "file", [entry])) for entry in entries]
        return [end - start for start, end in pairwise(ends)]

    a, b = Checked((1, (2, 3)), (9,)), Checked((1, (2, 4)), (100,))
    new = (
        1 + 1 + 1 + (2 + 5) + 4
    )  # a byte, "new", length; a number of checks and the entry; a CRC-32
    assert sizes([a, b, a, b, a, a, a]) == [new, 2, 1, 1, 2, 1]
    assert sizes([Checked((1,), (1, 2, 3))] * 4) == [2 + 2, 1 + 2, 1 + 2]


def test_a_torn_last_entry_is_dropped_and_the_next_one_takes_its_place(tmp_path):
    """Wherever it is torn."""
    path = tmp_path / "file"
    for entries in (THREE, [*THREE, THREE[0]], [*THREE[:1] * 3, *THREE[:1]]):
        path.unlink(missing_ok=True)
        before, whole = written(path, entries[:-1]), written(path, entries[-1:])
        for end in range(len(before), len(whole)):
            path.write_bytes(whole[:end])
            assert read_entries(path, MAGIC) == entries[:-1]
            written(path, [Checked((7,))])
            assert read_entries(path, MAGIC) == [*entries[:-1], Checked((7,))]


def test_a_changed_byte_is_noticed_by_the_next_new_entry(tmp_path):
    """Or it makes an entry look as if it was torn, and all that follows is dropped."""
    path = tmp_path / "file"
    before = written(path, [*THREE, *THREE * 3])
    data = written(path, [Checked((9, 9))])
    for i in range(len(before)):
        path.write_bytes(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
        try:
            assert Checked((9, 9)) not in read_entries(path, MAGIC)
        except Damaged:
            continue


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("env_steps,updates\n")
    with pytest.raises(Damaged, match="no record of things"):
        read_entries(path, MAGIC)
    with pytest.raises(Damaged, match="no record of things"):
        EntryFile(path, MAGIC).append((1,))
    assert path.read_text() == "env_steps,updates\n"


KILLED = """
import sys
from pathlib import Path
from nappo2.saving.entry_file import EntryFile
file = EntryFile(Path(sys.argv[1]), b"nappo2 things 1\\n")
for i in range(10**9):
    file.repeat((i % 3, (i % 3,)), (i % 128,))
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
    entries = read_entries(path, MAGIC)
    assert len(entries) >= len(said) == 200
    assert entries == [((i % 3, (i % 3,)), (i % 128,)) for i in range(len(entries))]
