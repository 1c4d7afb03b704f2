"""The index of the search as a script, which a page that was opened from a disk may load too."""

from pathlib import Path


def on_post_build(config):
    index = Path(config["site_dir"], "search", "search_index.json")
    index.with_suffix(".js").write_text(f"self.searchIndex = {index.read_text()};\n")
    index.unlink()
