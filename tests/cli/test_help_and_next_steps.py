"""What a newcomer reads: examples that run, errors that say what to do next, completion, plain output."""

import importlib
import re
import shlex

import numpy as np
import polars
import pytest
from click.testing import CliRunner

import jaxgd
from jaxgd.cli import completing
from jaxgd.cli.app import app
from jaxgd.cli.commands import COMMANDS
from jaxgd.cli.next_step import with_next_step
from jaxgd.data.embedded import EMBEDDED

MINUTES = ("bench", "parity")
"""Commands whose examples take minutes; they have tests of their own."""
SHORT = {"train": ("--epochs", "1", "--no-report"), "sweep": ("--epochs", "1")}
"""Every example runs as it stands, but for the number of epochs."""
ELSEWHERE = ("convert old.h5 new.keras", "--coordinator")
"""A file that only Keras writes, and a second host: other tests have them."""


def invoke(*arguments, **environment):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=environment)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that the examples speak of."""
    place = tmp_path_factory.mktemp("examples")
    rng = np.random.default_rng(0)
    sizes, rooms = rng.uniform(50, 200, 40), rng.integers(1, 6, 40)
    rows = [f"{a:.1f},{b},{3 * a + 20 * b:.1f}" for a, b in zip(sizes, rooms, strict=True)]
    for name in ("houses.csv", "more_houses.csv", "new_houses.csv"):
        (place / name).write_text("size,rooms,price\n" + "\n".join(rows) + "\n")
    for name in ("parts", "new"):
        (place / name).mkdir()
        polars.read_csv(place / "houses.csv").write_parquet(place / name / "0.parquet")
    model = jaxgd.mlp([2, 4, 1])
    for name in ("model.keras", "architecture.keras"):
        jaxgd.save(place / name, model, model.init(0))
    return place


def examples(name):
    """The command lines that a command's help shows, in their order."""
    shown = importlib.import_module(f"jaxgd.cli.{COMMANDS[name].module}").command.help
    return re.findall(r"^ *jaxgd (.*)$", shown, flags=re.MULTILINE)


def test_every_command_shows_examples():
    assert all(examples(name) for name in COMMANDS)


def test_the_examples_of_help_run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert invoke("train", "--epochs", "1", "-q", "--no-report").exit_code == 0
    assert invoke("train", "-q", "--epochs", "1", "--no-report").exit_code == 0  # runs/digits-2
    for name in COMMANDS:
        lines = [] if name in MINUTES else examples(name)
        for line in (each for each in lines if not any(out in each for out in ELSEWHERE)):
            short = () if "--resume" in line else SHORT.get(name, ())
            result = invoke(*shlex.split(line), *short, "-q")
            assert result.exit_code == 0, (line, result.output, result.exception)


BAD = [
    "train nowhere.csv",
    "train houses.csv --target prise",
    "train houses.csv --epochs many",
    "train --resume nowhere",
    "train --from nowhere.keras",
    "train houses.csv --from houses.csv",
    "sweep",
    "sweep houses.csv --grid learning_rate",
    "sweep houses.csv --grid lerning_rate=1,2",
    "sweep houses.csv --grid learning_rate=1e-3..x:log:2",
    "sweep houses.csv --halving 1:1",
    "sweep --resume nowhere",
    "evaluate nowhere houses.csv",
    "evaluate model.keras",
    "evaluate model.keras nowhere.csv",
    "predict model.keras",
    "predict model.keras houses.csv --out x.doc",
    "convert nowhere.keras a.h5",
    "convert model.keras a.doc",
    "convert houses.csv a.keras",
    "explain model.keras",
    "explain nowhere.keras",
    "explain --sizes 5",
    "explain --along x",
    "explain --out page.pdf",
    "report nowhere",
    "report houses.csv",
    "info nowhere",
    "info nowhere.keras",
    "bench --workload nothing",
    "parity nothing",
    "parity verify nowhere.npz",
    "parity diagnose nowhere.npz",
    "parity record model.keras",
    "nothing",
    "--nothing",
    "train --nothing",
    "--completion tcsh",
]


@pytest.mark.parametrize("line", BAD)
def test_every_error_ends_with_a_next_step_that_works(folder, monkeypatch, line):
    monkeypatch.chdir(folder)
    result = invoke(*line.split())
    assert result.exit_code == 2, (result.output, result.exception)
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    last = re.split(r"(?<=[.?!;])\s+", result.stderr.strip())[-1]
    assert re.match(r"[A-Za-z]+ .*[.?]?$", last), result.stderr
    assert last.split()[0] in VERBS or "jaxgd " in last, result.stderr
    named = re.search(r"jaxgd ((?:\w+ )*)--help", last)
    if named:
        assert invoke(*named[1].split(), "--help").exit_code == 0


VERBS = ("Add", "Choose", "Did", "Give", "Go", "Install", "Leave", "Look", "Put", "Run", "See", "Try", "Use")


def test_a_table_that_cannot_be_used_is_to_be_looked_at(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "bad.csv").write_text("a,y\n1,2\n3,4,5\n")
    assert invoke("train", "bad.csv").stderr.endswith("Look at the table with: jaxgd info bad.csv\n")
    assert with_next_step("bad.csv: no", ["info", "bad.csv"]).endswith("See jaxgd info --help.")


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("jaxgd tr", {"train"}),
        ("jaxgd train dig", {"digits"}),
        ("jaxgd train --optimizer adam", {"adam", "adamax", "adamw"}),
        ("jaxgd train --hid", {"--hidden"}),
        ("jaxgd report runs/", {""}),
    ],
)
def test_the_shell_completes(words, completed):
    place = len(words.split()) - 1
    result = invoke(COMP_WORDS=words, COMP_CWORD=str(place), _JAXGD_COMPLETE="bash_complete")
    assert {line.split(",")[1] for line in result.output.splitlines()} == completed


@pytest.mark.parametrize("shell", completing.SHELLS)
def test_completion_is_printed_for_each_shell(shell):
    assert "_JAXGD_COMPLETE" in invoke("--completion", shell).stdout


def test_what_is_completed_is_what_there_is():
    assert set(completing.EMBEDDED) == set(EMBEDDED)
    names = completing.optimizer(None, None, "")
    assert all(jaxgd.optimizers.get(name) for name in names)
    assert len(names) >= 14


def test_no_arguments_show_what_to_try_first():
    shown = invoke().stdout
    for line in ("jaxgd train", "jaxgd explain", "jaxgd --help"):
        assert line in shown


@pytest.mark.parametrize(("options", "environment"), [(["--no-color"], {}), ([], {"NO_COLOR": "1"})])
def test_colour_is_switched_off_on_a_terminal_too(options, environment):
    plain = {"FORCE_COLOR": "1", "TERM": "xterm-256color", **environment}
    colored = invoke("info", "iris", FORCE_COLOR="1", TERM="xterm-256color").stdout
    shown = invoke("info", "iris", *options, **plain).stdout
    assert "\x1b[36m" in colored
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", shown)


@pytest.mark.parametrize("width", ["30", "60"])
def test_a_narrow_terminal_loses_nothing(folder, monkeypatch, width):
    monkeypatch.chdir(folder)
    wide = invoke("info", "houses.csv", COLUMNS="120").stdout
    narrow = invoke("info", "houses.csv", COLUMNS=width).stdout
    letters = lambda text: sorted(re.sub(r"\s", "", text))  # noqa: E731
    assert letters(narrow) == letters(wide)
