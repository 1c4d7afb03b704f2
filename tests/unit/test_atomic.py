"""Files that are replaced whole."""

import subprocess
import sys

from jaxgd._atomic import replacing, tidy


def test_what_is_being_written_is_not_tidied_away(tmp_path):
    out = tmp_path / "out.csv"
    with replacing(out) as stream:
        stream.write(b"half")
        tidy(tmp_path, [out.name])
        stream.write(b" and half")
    assert out.read_text() == "half and half"
    assert list(tmp_path.iterdir()) == [out]


def test_what_a_killed_process_left_is_tidied_away(tmp_path):
    program = (
        "import os, pathlib, sys; from jaxgd._atomic import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as stream: os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "out.csv")], check=True)
    assert len(list(tmp_path.iterdir())) == 1
    tidy(tmp_path, ["out.csv"])
    assert not list(tmp_path.iterdir())
