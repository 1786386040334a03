"""Sphinx configuration: MyST pages, the furo theme, and nothing fetched from elsewhere."""

from importlib import metadata

project = "Keyturn"
author = "The Keyturn developers"
copyright = "2026, The Keyturn developers"
release = metadata.version("keyturn")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True
html_theme = "furo"
html_title = "Keyturn"
html_static_path = ["_static"]
html_css_files = ["keyturn.css"]
html_show_sphinx = False
# Names of the standard library are plain text here: no inventory is fetched, so a build needs no network.
nitpick_ignore_regex = [("py:.*", r"(?!keyturn).*")]
