"""``{lines}``: the table of lines of code of each algorithm, counted when the site is built."""

from benchmarks import lines
from extensions.configs import Table


def setup(app):
    app.add_directive("lines", Lines)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class Lines(Table):
    """What ``python -m benchmarks.lines`` prints."""

    required_arguments = 0
    head = lines.HEAD

    def rows(self):
        return lines.rows()
