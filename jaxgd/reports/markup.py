"""Small pieces of HTML. Every text goes through `text`, which escapes it."""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

_LONGEST = 600
_BROKEN = (KeyError, TypeError, ValueError, AttributeError, IndexError)


def text(value: Any) -> str:
    """Any value as escaped text, cut where it would fill the page.

    >>> text("<b>"), text(0.1 + 0.2), text(None), text(["a", 1])
    ('&lt;b&gt;', '0.3', '-', 'a, 1')
    """
    if value is None:
        return "-"
    if isinstance(value, dict):
        value = [f"{name}: {plain(each)}" for name, each in value.items()]
    if isinstance(value, list | tuple):
        value = ", ".join(map(plain, value)) or "none"
    shown = plain(value)
    return escape(shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…")


def plain(value: Any) -> str:
    """A value as text, numbers with six digits."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def section(title: str, content: str) -> str:
    """A heading and what stands below it; nothing where there is nothing."""
    heading = f"<h2>{text(title)}</h2>" if title else ""
    return f"<section>{heading}{content}</section>" if content else ""


def guarded(title: str, build: Callable[..., str], *arguments: Any) -> str:
    """A section; one that says what is missing where a damaged run leaves too little to build it from."""
    try:
        return section(title, build(*arguments))
    except _BROKEN as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        return section(title, notice(f"Not shown: {reason}."))


def notice(words: str) -> str:
    """What the reader should know before the numbers."""
    return f'<p class="notice">{text(words)}</p>'


def quiet(words: str) -> str:
    """A remark."""
    return f'<p class="quiet">{text(words)}</p>'


def facts(rows: Iterable[tuple[str, Any]]) -> str:
    """A table of names and values."""
    cells = "".join(
        f'<tr><th scope="row">{text(name.replace("_", " "))}</th><td>{text(value)}</td></tr>'
        for name, value in rows
    )
    return f'<table class="facts">{cells}</table>' if cells else ""


def grid(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table with a header; wide ones scroll by themselves."""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in header)
    body = "".join(
        f'<tr><th scope="row">{text(row[0])}</th>{"".join(f"<td>{text(each)}</td>" for each in row[1:])}</tr>'
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def cards(values: Iterable[tuple[str, Any]]) -> str:
    """Numbers that matter most."""
    shown = "".join(
        f'<div class="card"><span>{text(name)}</span><b>{text(value)}</b></div>' for name, value in values
    )
    return f'<div class="cards">{shown}</div>'


def figure(caption: str, content: str, name: str = "") -> str:
    """A picture with its caption, and a line for what is read off it."""
    reading = f'<p class="quiet reading" data-panel="{escape(name)}" aria-live="polite"></p>' if name else ""
    return f"<figure><figcaption>{text(caption)}</figcaption>{content}{reading}</figure>"


def figures(items: Iterable[str]) -> str:
    """Pictures side by side as far as they fit."""
    return f'<div class="figures">{"".join(items)}</div>'
