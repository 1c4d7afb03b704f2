"""The faults that the tests inject, how often, and what comes of each: the tests are run, and all must pass.

python scripts/reliability/faults.py
"""

import json
import os
import re
import subprocess
import sys
from typing import NamedTuple

RESUME, CHECKPOINTS = "tests/faults/test_resume.py", "tests/unit/test_checkpoints.py"
RESTORING, COMMAND = "tests/faults/test_restoring.py", "tests/cli/test_resume_cli.py"
LOSING, SWEEPS = "tests/faults/test_losing_work.py", "tests/faults/test_sweep_resume.py"
FORMER = "tests/faults/test_former_checkpoints.py"
SWEEP_COMMAND = "tests/cli/test_sweep_resume_cli.py"


class Fault(NamedTuple):
    """A kind of fault, how many of it there are, what happens then, and the test that shows it."""

    fault: str
    times: int
    then: str
    test: str


FAULTS = (
    Fault("interrupted after every report", 25, "bit-equal at the end", f"{RESUME}::test_a_run_in_pieces"),
    Fault(
        "disk full (file size limit)",
        1,
        "error; nothing lost; resumes",
        f"{RESUME}::test_a_full_disk",
    ),
    Fault("write permission lost", 1, "error; nothing lost; resumes", f"{RESUME}::test_permission"),
    Fault("checkpoint truncated at every 1 %", 100, "refused", f"{CHECKPOINTS}::test_a_truncated"),
    Fault("one bit flipped", 202, "refused", f"{CHECKPOINTS}::test_one_flipped_bit"),
    Fault("last checkpoint damaged", 1, "goes on from the one before, said", f"{RESUME}::test_a_damaged"),
    Fault("all checkpoints damaged", 1, "error; nothing overwritten", f"{RESUME}::test_all_damaged"),
    Fault("hostile archives", 10, "refused", f"{CHECKPOINTS}::test_hostile"),
    Fault("newer format", 1, "refused, naming the version", f"{CHECKPOINTS}::test_a_newer_format"),
    Fault("checkpoint of the format before", 1, "migrated, said; goes on", f"{FORMER}::test_it_goes_on"),
    Fault("the same, another run", 4, "refused, naming it", f"{FORMER}::test_another_run"),
    Fault("two runs in one folder", 1, "the second is refused", f"{RESUME}::test_two_runs"),
    Fault("clock set back", 1, "bit-equal", f"{RESUME}::test_a_clock"),
    Fault("another setting or other data", 15, "refused, naming it", f"{RESUME}::test_another_run"),
    Fault("data file changed", 1, "refused, naming it", f"{COMMAND}::test_data_that_changed"),
    Fault("another version of JAX", 1, "said; bit-equal here", f"{RESUME}::test_another_version"),
    Fault("another number of devices", 1, "said; bit-equal here", f"{RESUME}::test_another_number"),
    Fault("SIGTERM", 2, "saved and left within 5 s; resumes", f"{RESUME}::test_sigterm"),
    Fault("killed command line", 1, "same files at the end", f"{COMMAND}::test_a_killed_run"),
    Fault(
        "sweep interrupted inside members", 15, "bit-equal at the end", f"{SWEEPS}::test_a_sweep_in_pieces"
    ),
    Fault("sweep terminated, then killed twice", 3, "same files", f"{SWEEP_COMMAND}::test_terminated_and"),
    Fault("sweep's last training ended twice", 2, "bit-equal at the end", f"{SWEEPS}::test_the_training_on"),
    Fault("two sweeps on one journal", 1, "the second is refused", f"{SWEEP_COMMAND}::test_a_sweep_in_use"),
    Fault("sweep's checkpoints damaged", 1, "refused", f"{SWEEP_COMMAND}::test_damaged_checkpoints"),
    Fault("error or Ctrl-C in a callback", 2, "saved; resumes", f"{LOSING}::test_an_error_in"),
    Fault(
        "rename fails (network file system)", 1, "error; nothing lost; resumes", f"{LOSING}::test_a_rename"
    ),
    Fault("no locks (network file system)", 1, "said", f"{LOSING}::test_a_file_system_without_locks"),
    Fault("a step that does not end, SIGTERM", 1, "left within 5 s", f"{LOSING}::test_a_step_that"),
    Fault("terminal closed (SIGHUP)", 1, "saved and left", f"{LOSING}::test_a_terminal"),
    Fault("disk full at the very end", 1, "error; resumes to the same files", f"{LOSING}::test_a_disk_that"),
    Fault("killed while files are written", 3, "whole files; the rest later", f"{LOSING}::test_killed_while"),
    Fault("folder became read-only", 1, "error; nothing overwritten", f"{LOSING}::test_a_folder_that_can_no"),
    Fault("run copied elsewhere, data moved", 1, "same files at the end", f"{LOSING}::test_a_run_that_was"),
    Fault("settings edited by hand", 1, "refused, naming it", f"{LOSING}::test_a_run_whose"),
    Fault("folder under another name (link)", 1, "the second run refused", f"{LOSING}::test_a_folder_under"),
    Fault("exploding learning rate", 4, "found; goes back if asked", f"{RESTORING}::test_going_back"),
    Fault("rows that are not finite", 1, "found, the rows named", f"{RESTORING}::test_rows"),
    Fault("float16 overflow", 3, "found; none with a dynamic scale", f"{RESTORING}::test_float16"),
)


def main() -> None:
    """Print the findings as JSON; exit with 1 if a test fails or is not there."""
    files = sorted({fault.test.split("::")[0] for fault in FAULTS})
    command = [sys.executable, "-m", "pytest", "-n", "0", "-v", "--no-header", *files]
    on_time = {**os.environ, "SECONDS_TO_LEAVE": "5"}
    done = subprocess.run(command, env=on_time, capture_output=True, text=True, check=False)
    passed = re.findall(r"^(.+?) PASSED", done.stdout, re.MULTILINE)
    missing = [fault.test for fault in FAULTS if not any(name.startswith(fault.test) for name in passed)]
    if done.returncode or missing:
        sys.exit(f"{done.stdout[-3000:]}\nwithout a test that passed: {missing}")
    print(json.dumps({"passed": len(passed), "faults": [fault._asdict() for fault in FAULTS]}))


if __name__ == "__main__":
    main()
