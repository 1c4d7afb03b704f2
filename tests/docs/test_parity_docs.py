"""The example of docs/porting.md runs, and both pages name what there is."""

import re
from pathlib import Path

import pytest

from jaxgd.parity.climbing import NAMES
from jaxgd.parity.kinks import KINKS
from jaxgd.parity.plugin import Parity
from jaxgd.parity.trace import VERSION
from jaxgd.parity.trace.format import FORMAT
from jaxgd.parity.trace.recording import REQUIRED
from jaxgd.parity.trace.setup import OPTAX

DOCS = Path(__file__).parents[2] / "docs"
TRACES = (DOCS / "parity-traces.md").read_text()


def test_the_example_of_a_port_passes():
    (block,) = re.findall(r"```python\n(.*?)```", (DOCS / "porting.md").read_text(), flags=re.DOTALL)
    names = {}
    exec(block, names)
    names["test_the_port_is_the_same"](Parity())


@pytest.mark.parametrize("words", [NAMES, KINKS, OPTAX, REQUIRED, (f'"{FORMAT}"', f"`{VERSION}`")])
def test_the_format_s_page_names_everything(words):
    assert [word for word in words if word not in TRACES] == []
