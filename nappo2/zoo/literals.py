"""Values that rl-zoo3's files write in Python, such as ``dict(net_arch=[64, 64])``; nothing is executed."""

import ast
from collections.abc import Mapping
from typing import Any


def literal(text: str) -> Any:
    """Reads numbers, texts, names, lists and ``dict(...)`` of them; names become texts.

    Args:
        text: an expression in Python.

    Returns:
        The value; ``nn.ReLU`` is the text "nn.ReLU".

    Raises:
        ValueError: if there is anything else in it, such as a call.
    """
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"{shortened(text)} cannot be read: {error}") from error


def shortened(text: str) -> str:
    """A text as it is written, without what is beyond 60 characters."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(item) for item in items]
        case ast.Dict(keys=keys, values=values) if all(isinstance(k, ast.Constant) for k in keys):
            return {k.value: _value(x) for k, x in zip(keys, values, strict=True)}
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=words) if all(
            word.arg for word in words
        ):
            return {word.arg: _value(word.value) for word in words}
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=inner, attr=name) if isinstance(inner, ast.Name | ast.Attribute):
            return f"{_value(inner)}.{name}"
    raise ValueError(
        f"{shortened(ast.unparse(node))} is no number, text, name, list or dict(...) of them"
    )


def mapping(value: Any, key: str) -> Mapping[str, Any]:
    """Values by name, which may be written in Python; none for None.

    Args:
        value: of an entry.
        key: of the value, for messages.

    Returns:
        The values by name.

    Raises:
        ValueError: if it is no mapping, or its names are no texts.
    """
    value = literal(value) if isinstance(value, str) else value
    value = {} if value is None else value
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"{key} holds values by name, as dict(...) does, not {value!r}")
    return value
