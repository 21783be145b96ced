"""What a process does with memory that was freed."""

import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
LARGEST, KEPT = 64 * 2**20, 512 * 2**20  # bytes


def keep_freed_memory() -> bool:
    """Tells glibc to keep up to 512 MB of freed memory, in parts of up to 64 MB; whether it does.

    By default it returns what is larger than 32 MB, or more than twice that, to the system, which
    clears it before it gives it back: that took a fifth of learning from 1,024 environments.
    Where the C library is another one nothing happens.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt and mallopt(MMAP_THRESHOLD, LARGEST) and mallopt(TRIM_THRESHOLD, KEPT))
