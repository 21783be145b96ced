"""The letters of training schemes: a word, and the cuts that it says, or why there are none.

A word says where the three operations are, in the order collection, gradients, update. Each has two
letters: c for central, in the one process that has the params, or d for distributed over workers; then
s for synchronous, or a for asynchronous. A digit n says that the next n operations have these letters
and one process in common: ``2dacs`` is a collection and gradients in the same workers.

The second letter says how results are merged at the cut behind the operation's workers:

- of a collection with workers of its own: s, a step learns from the rollouts of all collectors;
  a, from the first that is there.
- of distributed gradients: s, learners average theirs among themselves (``all_reduce``), and each makes
  the update; a, each hands its gradient to the update.
- of a central update behind distributed gradients: s, it is of the gradients of all learners; a, of the
  first that is there.

Elsewhere nothing is merged: what is central is written with s, and a collection that shares a process
with gradients has their letter.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from typing import Literal, NamedTuple

from nappo2.checks import checked, suggestion
from nappo2.stages.compatibility import SCHEMES

OPERATIONS = ("collection", "gradients", "update")

Wait = Literal["all", "one"]
"""For how many of its workers a cut waits."""


class Word(NamedTuple):
    """The cuts that a word says.

    Attributes:
        name: the word.
        collectors: for how many a cut behind the collection waits; None without such a cut.
        learners: for how many a cut behind the gradients waits; None without such a cut.
        replicas: whether the learners average their gradients and make the update themselves.
    """

    name: str
    collectors: Wait | None
    learners: Wait | None
    replicas: bool

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of ``scheme`` that change something in this word."""
        counts = [name for name in ("collectors", "learners") if getattr(self, name)]
        if not counts:
            return ()
        alone = len(counts) == 1  # of two cuts, nobody could say which one is meant
        waits_for_all = "all" in (self.collectors, self.learners)
        return (
            *(*counts, "on"),
            *["ahead"] * (self.collectors == "one"),
            *["wait_for"] * alone,
            *["preempt"] * (alone and waits_for_all),
        )


class Operation(NamedTuple):
    """An operation as a word has it; those of one process have one ``group``."""

    name: str
    distributed: bool
    asynchronous: bool
    group: int


@checked
def parse(name: str) -> Word:
    """Reads a word.

    Args:
        name: such as "da2cs".

    Returns:
        The cuts that it says.

    Raises:
        ValueError: if it is no word, or says what cannot be; in a sentence that says why.

    Example:
        >>> from nappo2.schemes import parse
        >>> parse("dadacs")
        Word(name='dadacs', collectors='one', learners='all', replicas=False)
    """
    operations = _operations(name)
    for reason in (_misordered, _apart, _alike, _overwritten, _averaged):
        if why := reason(*operations):
            raise ValueError(f"the word {name} is no scheme: {why}")
    collection, gradients, update = operations
    shared = collection.group == gradients.group
    own = "one" if collection.asynchronous else "all"
    learners = "one" if update.asynchronous else "all"
    return Word(
        name,
        collectors=None if shared or not collection.distributed else own,
        learners=learners if gradients.distributed else None,
        replicas=update.distributed,
    )


def all_words() -> Iterator[str]:
    """All words of up to three operations, in order of their length in operations: 124 of them.

    Example:
        >>> from nappo2.schemes import all_words
        >>> len(list(all_words())), "da2cs" in all_words()
        (124, True)
    """
    pairs = ["".join(pair) for pair in product("cd", "sa")]
    for digits in ("1", "2", "11", "3", "21", "12", "111"):
        for letters in product(pairs, repeat=len(digits)):
            groups = zip(digits, letters, strict=True)
            yield "".join(n.replace("1", "") + pair for n, pair in groups)


def _operations(name: str) -> list[Operation]:
    """The three operations of a word."""
    if not re.fullmatch(r"(\d?[cd][sa])+", name):
        raise ValueError(f"no scheme is called {name!r}; there are {suggestion(name, SCHEMES)}")
    groups = [(digit or "1", *pair) for digit, *pair in re.findall(r"(\d?)([cd])([sa])", name)]
    if not_read := re.findall(r"[01]", name):
        raise ValueError(
            f"the word {name} is no scheme: a digit says that the next 2 or 3 operations share a "
            f"process, and {not_read[0]} says nothing"
        )
    num = sum(int(digit) for digit, *_ in groups)
    if num > len(OPERATIONS):
        raise ValueError(
            f"the word {name} is no scheme: it has {num} operations, and there are three, "
            "collection, gradients and update"
        )
    if num < len(OPERATIONS):
        longer = " or ".join(word for word in SCHEMES if word.startswith(name))
        remedy = f", as {longer} does" if longer else f"; there are {suggestion(name, SCHEMES)}"
        raise ValueError(
            f"the word {name} is no scheme: it says nothing of {_listed(OPERATIONS[num:])}{remedy}"
        )
    pairs = [(*pair, i) for i, (digit, *pair) in enumerate(groups) for _ in range(int(digit))]
    return [
        Operation(operation, place == "d", letter == "a", group)
        for operation, (place, letter, group) in zip(OPERATIONS, pairs, strict=True)
    ]


# Why three operations are no scheme, as the end of "... is no scheme: ..."; None if that is no reason.


def _misordered(*operations: Operation) -> str | None:
    for left, right in pairwise(operations):
        if right.distributed and not left.distributed:
            return (
                f"workers run all that stands left of a cut, so {_listed([right.name])} cannot be "
                f"distributed behind {_listed([left.name])} of one process; what is distributed comes "
                "first, as in ds2cs"
            )
    return None


def _apart(*operations: Operation) -> str | None:
    """Central operations in two processes, or asynchronous where nothing is merged."""
    central = [x for x in operations if not x.distributed]
    right = "3cs" if len(central) == 3 else f"{_collection(operations)}2cs"
    if len({x.group for x in central}) > 1:
        return f"central operations share one process, which a digit says; write {right}"
    if len(central) > 1 and central[0].asynchronous:
        return (
            f"{_listed([x.name for x in central])} follow one another in one process, and have no "
            f"workers to be asynchronous with; write {right}"
        )
    return None


def _alike(*operations: Operation) -> str | None:
    """A distributed update in processes of its own."""
    _, gradients, update = operations
    if not update.distributed or update.group == gradients.group:
        return None
    return (
        "an update that is distributed apart from the gradients would be the same update in each of "
        f"its processes; write {_with(operations, 'as')}"
    )


def _overwritten(*operations: Operation) -> str | None:
    """Replicas that update without each other."""
    update = operations[-1]
    if not update.distributed or not update.asynchronous:
        return None
    return (
        "workers that update without waiting for each other need shared memory, as in Hogwild, which "
        f"nappo2 does not have; write {_with(operations, 'aa')}"
    )


def _averaged(*operations: Operation) -> str | None:
    """Gradients that are merged before a central update."""
    _, gradients, update = operations
    if not gradients.distributed or gradients.asynchronous or update.distributed:
        return None
    letters = "aa" if update.asynchronous else "as"
    return (
        "learners that average their gradients among themselves leave a central update nothing to "
        f"merge; write {_with(operations, letters)}"
    )


def _listed(names: Sequence[str]) -> str:
    """Operations in words."""
    *others, last = [name if name == "gradients" else f"the {name}" for name in names]
    return f"{', '.join(others)} and {last}" if others else last


def _collection(operations: tuple[Operation, ...]) -> str:
    return "da" if operations[0].asynchronous else "ds"


def _with(operations: tuple[Operation, ...], letters: str) -> str:
    """Words with the same collection: of replicas, and of gradients and update with these letters."""
    gradients, update = letters
    if operations[0].group == operations[1].group:
        return f"3ds or 2d{gradients}c{update}"
    collection = _collection(operations)
    return f"{collection}2ds or {collection}d{gradients}c{update}"
