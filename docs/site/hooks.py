"""What the build does besides: pages that are still to be written, and the index of the search."""

from pathlib import Path

LATER = ("benchmarks.md",)
"""Pages of the navigation that may be missing."""


def on_config(config):
    """Leaves out what is still to be written."""
    docs = Path(config["docs_dir"])
    config["nav"] = _without(config["nav"], {name for name in LATER if not (docs / name).exists()})
    return config


def _without(nav, missing):
    if isinstance(nav, list):
        kept = [_without(entry, missing) for entry in nav]
        return [entry for entry in kept if entry is not None]
    if isinstance(nav, dict):
        ((title, inner),) = nav.items()
        inner = _without(inner, missing)
        return None if inner is None else {title: inner}
    return None if nav in missing else nav


def on_post_build(config):
    """The index as a script, which a page that was opened from a disk may load too."""
    index = Path(config["site_dir"], "search", "search_index.json")
    index.with_suffix(".js").write_text(f"self.searchIndex = {index.read_text()};\n")
    index.unlink()
