"""Blocks of code without the empty line by which a doctest knows where its output ends."""

from docutils.nodes import Text, literal_block


def setup(app):
    app.connect("doctree-read", trimmed)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def trimmed(app, doctree):
    for block in doctree.findall(literal_block):
        if block.rawsource == block.astext():
            block.rawsource = block.rawsource.rstrip("\n")
            block.children = [Text(block.rawsource)]
