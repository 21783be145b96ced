"""What a process does with the machine: memory, threads, compiling, and hearing that it is to stop."""
