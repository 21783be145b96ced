"""The site: Markdown, the notebooks as they were committed, and the docstrings."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]
os.environ.setdefault("RAY_AUTH_MODE", "token")

project, author, language = "nappo2", "the authors of nappo2", "en"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "extensions.blocks",
    "extensions.mathml",
    "extensions.configs",
    "extensions.lines",
    "extensions.public",
]
exclude_patterns = ["_build", "extensions"]

html_theme = "furo"
html_title = "nappo2"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5fa8", "color-brand-content": "#1f5fa8"},
    "dark_css_variables": {"color-brand-primary": "#9cc3ea", "color-brand-content": "#9cc3ea"},
}
html_math_renderer = (
    "mathml"  # which browsers draw by themselves: no script and nothing from elsewhere
)

nb_execution_mode = "off"  # the tests run them
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_inline"]
myst_heading_anchors = 3
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 88
napoleon_use_ivar = True
napoleon_use_rtype = False
autosummary_generate = False
toc_object_entries_show_parents = "hide"
