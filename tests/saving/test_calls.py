"""Calls as plain data: what they say, and what is called again."""

import json
import math
from functools import partial
from typing import Any, NamedTuple

import pytest

from nappo2 import PPO
from nappo2.saving.calls import Call, Unknown, made_again, path_of, plain, remembering


class Box(NamedTuple):
    content: Any
    made: Call | None = None


@remembering
def box(content, size=1, *, lid=None, **others):
    return Box((content, size, lid, others))


FUNCTIONS = {path_of(box): box}
CONTENTS = {
    "numbers": [1, 2.5, True, None, "x"],
    "infinite": math.inf,
    "tuple": (1, (2, 3)),
    "dictionary": {"a": 1, "b": {"c": [2]}},
}


@pytest.mark.parametrize("name", CONTENTS)
def test_what_is_data_is_made_again(name):
    content = CONTENTS[name]
    made = box(content, lid=content, more=content)
    again = made_again(json.loads(json.dumps(plain(made))), FUNCTIONS)

    def tupled(x):
        if isinstance(x, (list, tuple)):
            return tuple(map(tupled, x))
        return {k: tupled(y) for k, y in x.items()} if isinstance(x, dict) else x

    assert again.content == tupled(made.content)


def test_calls_within_calls_are_made_again():
    assert made_again(plain(box(box(3))), FUNCTIONS).content[0].content[0] == 3


def test_defaults_are_left_out_but_for_configurations():
    def learn(env, config=PPO(), agent=None):
        return Box(None)

    assert plain(remembering(learn)(1))["arguments"]["config"]["gamma"] == 0.99
    assert set(plain(box(1))["arguments"]) == {"content"}


def open_it():
    raise AssertionError("a file had it called")


@pytest.mark.parametrize("content", [open_it, partial(open_it, 1), open_it.__class__, object()])
def test_functions_and_objects_are_names_alone(content):
    data = json.loads(json.dumps(plain(box(content))))
    with pytest.raises(Unknown, match=r"the (function|object) [\w.]+:\w+"):
        made_again(data, FUNCTIONS)


def test_no_function_but_those_of_the_table_is_called():
    with pytest.raises(Unknown, match="the function os:system"):
        made_again({"call": "os:system", "arguments": {"command": "true"}}, FUNCTIONS)


def test_a_record_whose_field_was_replaced_is_not_made_without_that():
    made = box(1)._replace(content=2)
    assert plain(made)["replaced"] == ["content"]
    with pytest.raises(Unknown, match="another content"):
        made_again(plain(made), FUNCTIONS)
