"""Arguments of schemes, in tests that try all of them."""

from nappo2.schemes.seven import TAKES


def taken(name, **given):
    """Those of the arguments that this scheme takes."""
    return {key: value for key, value in given.items() if key in TAKES[name]}
