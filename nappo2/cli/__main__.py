"""Runs the command line as ``python -m nappo2.cli``."""

from nappo2.cli import main

main()
