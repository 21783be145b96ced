"""The modules of one's own that a pipeline needs, as an environment that one wrote: they travel to the nodes.

Python's pickles name modules, and do not contain them. What is neither in Python's own library nor
among installed packages exists on the driver alone, unless Ray uploads it.
"""

import json
import os
import pickletools
import site
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import ray

LOCAL = ("working_dir", "py_modules")
"""The entries of a runtime_env that may be folders of the driver."""


class MissingModule(ModuleNotFoundError):
    """Raised by a worker whose node lacks a module that its pipeline needs."""


def missing_module(error: ModuleNotFoundError) -> MissingModule:
    """The error of a worker that cannot import something: names node, module and remedy."""
    if isinstance(error, MissingModule):  # of a worker of this one
        return error
    name = (error.name or str(error)).partition(".")[0]
    return MissingModule(
        f"the node {ray.util.get_node_ip_address()} has no module {name!r}, which the pipeline needs: "
        f"install it there, or have it travel with the job: on_ray(address=..., runtime_env="
        f"{{'py_modules': ['.../{name}']}})",
        name=name,
    )


def own_modules(data: bytes) -> list[str]:
    """The files and folders of the top modules that a pickle names, and that are of one's own."""
    tops = {text.partition(":")[0].partition(".")[0] for text in texts(data)}
    modules = (sys.modules[name] for name in sorted(tops & set(sys.modules)))
    return [path for module in modules if (path := own_path(module))]


def texts(data: bytes) -> Iterator[str]:
    """The texts in a pickle, among which are the names of modules."""
    for code, value, _ in pickletools.genops(data):
        if isinstance(value, str):
            yield from value.split(" ") if code.name == "GLOBAL" else (value,)


def own_path(module: ModuleType) -> str | None:
    """Where the source of a module is; None if it is installed, or not in one place."""
    if module.__name__ in ("__main__", "nappo2"):  # pickled by value; compared by its version
        return None
    folders = list(getattr(module, "__path__", ()))
    file = folders[0] if len(folders) == 1 else getattr(module, "__file__", None)
    if len(folders) > 1 or file is None or (not str(file).endswith(".py") and not folders):
        return None
    path = Path(file).resolve()
    return None if any(path.is_relative_to(folder) for folder in installed()) else str(path)


def installed() -> set[Path]:
    """The folders of Python's own library and of packages that are installed."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    paths = [sysconfig.get_paths()[name] for name in names]
    return {Path(path).resolve() for path in [*paths, site.getusersitepackages()]}


def of_job(runtime_env: Mapping[str, Any] | None, own: list[str]) -> dict[str, Any]:
    """The runtime_env with which a job begins: folders of the driver, and modules of one's own.

    A folder that is given, or the folder of a job that was submitted, has them already.
    """
    given = {name: x for name, x in (runtime_env or {}).items() if name in (*LOCAL, "excludes")}
    submitted = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR") or "{}")
    has = given | (submitted.get("runtime_env") or {})
    if own and not any(has.get(name) for name in LOCAL):
        given["py_modules"] = own
    return given


def of_actors(runtime_env: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The runtime_env of actors, without folders of the driver: they travelled with the job.

    Raises:
        ValueError: if the job has none, as it joined before.
    """
    given = dict(runtime_env or {})
    local = [name for name in LOCAL if any(map(is_local, _several(given.get(name))))]
    job = ray.get_runtime_context().runtime_env
    if missing := [name for name in local if not job.get(name)]:
        raise ValueError(
            f"{missing[0]} of runtime_env is a folder of this machine, and travels when Ray is joined; "
            f"this process has joined it before: ray.init(address=..., runtime_env=...) brings it then"
        )
    return {name: x for name, x in given.items() if name not in (*local, "excludes")} or None


def is_local(entry: Any) -> bool:
    """Tests for a folder or a module of this machine, and no address from which to load one."""
    return "://" not in str(entry)


def _several(entry: Any) -> list[Any]:
    return [] if entry is None else entry if isinstance(entry, list) else [entry]
