"""Evidence: learning curves with intervals, kept in small files from which the pages draw them.

``python -m evidence NAME`` runs an entry of ``entries.py``, as long as it takes and in as many sittings,
and keeps its curves in ``results/NAME.json``. ``python -m evidence --draw`` writes docs/zoo.md and its
pictures from these files alone.
"""
