"""Memory, threads, compiling and interrupts of a process."""
