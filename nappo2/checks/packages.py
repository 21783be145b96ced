"""What installs a package that is missing, however nappo2 itself was installed."""

from importlib import metadata
from importlib.util import find_spec


def is_installed(module: str) -> bool:
    """Tests whether a module can be imported, without importing it."""
    return find_spec(module) is not None


def installs(extra: str) -> str:
    """The command that installs what an extra of nappo2 needs, such as ``pip install 'ale-py<1'``.

    It names the packages themselves, so that it works for a copy of the repository too.
    """
    try:
        needs = metadata.requires("nappo2") or []
    except metadata.PackageNotFoundError:  # imported from a folder
        needs = []
    wanted = [need.partition(";")[0].strip() for need in needs if _is_of(need, extra)]
    return "pip install " + " ".join(f"'{need}'" for need in wanted or [f"nappo2[{extra}]"])


def _is_of(need: str, extra: str) -> bool:
    return need.replace("'", '"').rstrip().endswith(f'extra == "{extra}"')
