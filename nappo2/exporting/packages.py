"""Optional packages, and how they are installed."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version

NOISY = ("torch.onnx._internal.exporter._registration", "torch.export")


def check_installed(suffix: str, packages: Sequence[str]) -> None:
    """Refuses to write a file whose packages are not installed.

    Raises:
        ImportError: names the first of ``packages`` that cannot be imported, and what installs it.
    """
    for package in packages:
        try:
            import_module(package)
        except ImportError as error:
            raise ImportError(
                f"a file {suffix} needs {package}, which cannot be imported ({error}): "
                "pip install '.[export]'"
            ) from error


def versions_of(packages: Sequence[str]) -> dict[str, str]:
    """The versions of installed packages by name."""
    return {package: version(package) for package in packages}


@contextmanager
def quiet() -> Iterator[None]:
    """Hides what torch warns of in its own code while it exports."""

    def nothing(record: logging.LogRecord) -> bool:
        return False

    loggers = [logging.getLogger(name) for name in NOISY]
    for logger in loggers:
        logger.addFilter(nothing)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger in loggers:
            logger.removeFilter(nothing)
