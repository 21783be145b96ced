"""The entry point of the command ``nappo2``.

It stands outside the package, as importing anything of that takes seconds, in which Ctrl-C is to end a
command as it does later: with one line and exit code 130.
"""

import os
import signal
import sys

INTERRUPTED = 128 + signal.SIGINT


def main() -> None:
    """Imports and runs the command line."""
    open_standard_files()
    told = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if told:  # and not in the background of a shell, which has SIGINT ignored
        signal.signal(signal.SIGINT, end_in_one_line)
    from nappo2.cli import main as run

    try:
        if told:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except KeyboardInterrupt:  # another one, while the first was told
        sys.exit(INTERRUPTED)
    finally:
        if told:
            signal.signal(signal.SIGINT, end_at_once)


def open_standard_files() -> None:
    """Opens those of input, output and error that are closed, as after ``>&-``, where all is dropped.

    The next files that are opened would stand in their places, and get what is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # has the least free number
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def end_in_one_line(*_) -> None:
    """Ends the process while it imports, by a signal.

    An exception would not do: it is lost where the import runs code of which no error comes back.
    """
    print("nappo2: interrupted", file=sys.stderr, flush=True)
    end_at_once()


def end_at_once(*_) -> None:
    """Ends the process by a signal, without another word."""
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
