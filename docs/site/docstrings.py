"""Docstrings as the library writes them, as Markdown: formulas and examples become blocks of code."""

import re

from griffe import Docstring, ExprName, Extension

SECTIONS = ("Args", "Returns", "Raises", "Yields", "Attributes", "Warns", "Examples")
SHORT_SECTION = re.compile(rf"^({'|'.join(SECTIONS)}): +(\S.*)$")
REMARK = re.compile(r"^(Keras|Parameters|Slots|References?|Source|TensorFlow): +(?=\S)")
FORMULA = re.compile(r"\*\*|<-| = |\w\*\w|\^")
CODE = re.compile(r"(`[^`]*`)")


def escaped(line):
    """A line of prose in which Markdown finds no marks but the backticks."""
    parts = CODE.split(line)
    for place in range(0, len(parts), 2):
        parts[place] = re.sub(r"([*\[\]])", r"\\\1", parts[place]).replace("<", "&lt;")
    return re.sub(r"^(\s*(?:[\w, *]+: )?)>", r"\1\\>", "".join(parts))


def paragraphs(text):
    """The text at its blank lines."""
    return [each.splitlines() for each in re.split(r"\n[ \t]*\n", text.strip("\n"))]


def is_list(lines):
    """A heading of another name than a section's, and indented entries `word: what it is`."""
    indented = all(line.startswith("  ") for line in lines[1:])
    return len(lines) > 1 and lines[0].endswith(":") and indented and lines[0].rstrip(":") not in SECTIONS


def listed(lines):
    """Such a paragraph as a list of Markdown."""
    entries = [re.sub(r"^  (?! )", "- ", escaped(line)) for line in lines[1:]]
    return [escaped(lines[0]), "", *entries]


def is_formula(lines):
    """A paragraph of a formula: starts at the margin, has a sign of mathematics and no section."""
    prose = CODE.sub("", "\n".join(lines))
    starts = not any(re.match(rf"({'|'.join(SECTIONS)}):", line) for line in lines)
    return starts and FORMULA.search(prose) is not None and not lines[0].startswith(">>>")


def fenced(language, lines):
    indent = re.match(r" *", lines[0])[0]
    return ["", f"{indent}```{language}", *lines, f"{indent}```", ""]


def section(lines):
    """Prose, sections and examples of one paragraph."""
    out, example = [], []
    for line in lines:
        if example or line.lstrip().startswith(">>>"):
            example.append(line)
        elif short := SHORT_SECTION.match(line):
            out += ["", f"{short[1]}:", f"  {escaped(short[2])}"]
        elif remark := REMARK.match(line):
            out += ["", f"**{remark[1]}.** {escaped(line[remark.end() :])}"]
        else:
            out += ([""] if line.rstrip(":") in SECTIONS else []) + [escaped(line)]
    return out + (fenced("pycon", example) if example else [])


def to_markdown(text):
    """A docstring as Markdown with Google's sections."""
    out = []
    for lines in paragraphs(text):
        if is_list(lines):
            out += listed(lines)
        else:
            out += fenced("text", lines) if is_formula(lines) else section(lines)
        out.append("")
    return "\n".join(out).strip()


class Docstrings(Extension):
    """Each docstring once, as it is loaded; `dense = Dense` says what it is."""

    def on_instance(self, *, obj, **_):
        if obj.docstring:
            obj.docstring.value = to_markdown(obj.docstring.value)
        elif obj.is_attribute and isinstance(obj.value, ExprName) and obj.parent.is_module:
            name = obj.value.name
            obj.docstring = Docstring(f"The same as [`{name}`][{obj.parent.path}.{name}].", parent=obj)
