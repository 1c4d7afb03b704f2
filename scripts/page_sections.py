"""Tables that scripts write into a page, each between two comments that carry its name."""

import re
from pathlib import Path


def write_section(page: Path, name: str, text: str) -> None:
    """Put `text` between `<!-- begin NAME -->` and `<!-- end NAME -->`.

    Raises:
      ValueError: the page does not have the two comments, once each.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    content = page.read_text(encoding="utf-8")
    if len(pattern.findall(content)) != 1:
        raise ValueError(f"{page}: expected {begin} and {end} once.")
    section = f"{begin}\n{text.strip()}\n{end}"
    page.write_text(pattern.sub(lambda _: section, content), encoding="utf-8")
