"""What the build does besides: words that stay whole, and the index of the search."""

import re
from pathlib import Path

OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
INLINE = re.compile(r"(?<!<pre>)(?<!</span>)<code>[^<\n]*</code>")
SHORT_CELL = re.compile(r"<td>([^<]{1,14})</td>")


def on_page_content(html, **_):
    """A browser breaks lines at hyphens; options and numbers such as 1.2e-07 are not to be broken there."""
    html = INLINE.sub(lambda code: OPTION.sub(r'<span class="whole">\g<0></span>', code[0]), html)
    return SHORT_CELL.sub(r'<td class="whole">\1</td>', html)


def on_post_build(config):
    """The index as a script, which a page that was opened from a disk may load too."""
    index = Path(config["site_dir"], "search", "search_index.json")
    index.with_suffix(".js").write_text(f"self.searchIndex = {index.read_text()};\n")
    index.unlink()
