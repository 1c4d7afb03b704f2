"""A page of HTML that holds all it needs: style, program and data; the browser is told to fetch nothing."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any


def document(
    title: str,
    body: str,
    *,
    data: Mapping[str, Any] | None = None,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
) -> str:
    """A whole page.

    Its policy allows only the scripts written here, by their hashes, and no address at all: what came from
    data cannot run even where it was not escaped.

    Args:
      title: plain text.
      body: HTML, escaped by the caller.
      data: what the scripts read, as JSON; NaN and infinity become null.
      styles, scripts: of the page, beside those that all pages share.
    """
    programs = [_asset("theme.js"), *scripts]
    content = "" if data is None else f'<script type="application/json" id="data">{_json(data)}</script>'
    head = "".join(
        (
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(programs)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{_asset('page.css')}{''.join(styles)}</style>",
        )
    )
    toggle = '<button id="theme" type="button" class="corner">Theme: automatic</button>'
    code = "".join(f"<script>{program}</script>" for program in programs)
    page = f"<head>{head}</head><body>{toggle}<main>{body}</main>{content}{code}</body>"
    return f'<!doctype html><html lang="en">{page}</html>\n'


def _asset(name: str) -> str:
    return files("jaxgd.reports").joinpath("assets", name).read_text(encoding="utf-8")


def _policy(programs: Sequence[str]) -> str:
    hashes = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in programs]
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {allowed}"


def _json(value: Mapping[str, Any]) -> str:
    """JSON in which no tag can begin or end."""
    text = json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
