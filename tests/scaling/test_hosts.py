"""Several processes are one run: equal to a single one, killed and gone on with, refused if they differ."""

import json
import re
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from processes import HERE, ends, environment, free_port, results, start

from jaxgd.cli.app import app
from jaxgd.scaling import HostsError, hosts, service
from jaxgd.training.spreading import _checksums

EPOCHS, STEPS = 8, 32
ROUNDING = 1e-5  # float32: the order of sums over rows, along 32 steps of Adam


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module")
def alone(cache):
    return results(start(1, cache=cache, epochs=EPOCHS))[0]


@pytest.fixture(scope="module")
def pair(cache, tmp_path_factory):
    """Two processes to their end, with checkpoints."""
    folder = tmp_path_factory.mktemp("pair") / "checkpoints"
    return results(start(2, folder, cache, epochs=EPOCHS)), folder


def distance(found, expected):
    a, b = (np.asarray(each["numbers"]) for each in (found, expected))
    return np.abs(a - b).max() / np.abs(b).max()


def test_two_processes_are_one_run(alone, pair):
    found, _ = pair
    assert found[0] == found[1], "every process has the result"
    assert found[0]["step"] == alone["step"] == STEPS
    assert distance(found[0], alone) < ROUNDING


@pytest.mark.parametrize("victim", [0, 1])
def test_one_killed_ends_all_and_they_go_on_bit_for_bit(pair, cache, tmp_path, victim):
    """Process 0 too: the service that all talk to outlives it."""
    expected, _ = pair
    folder = tmp_path / "checkpoints"
    processes = start(2, folder, cache, pause=0.4, epochs=EPOCHS)
    deadline = time.monotonic() + 200
    while not (tmp_path / "started").exists():
        assert time.monotonic() < deadline, ends(processes)
        time.sleep(0.05)
    processes[victim].kill()
    other = 1 - victim
    status, _, message = ends([processes[other]], timeout=hosts.HEARTBEAT + 100)[0]
    processes[victim].communicate()
    assert status == 3, message
    assert f"HostLostError: process {other} of 2: another process has ended" in message
    assert "start all of them again" in message
    assert results(start(2, folder, cache, epochs=EPOCHS)) == expected


def test_four_processes_go_on_from_two(alone, pair, cache):
    """The older of the checkpoints that two processes left."""
    _, folder = pair
    *_, before, last = sorted(folder.glob("*.npz"))
    last.unlink()
    assert before.exists()
    further = results(start(4, folder, cache, epochs=EPOCHS))
    assert all(each == further[0] for each in further)
    assert further[0]["step"] == STEPS
    assert distance(further[0], alone) < ROUNDING


def test_processes_that_differ_are_refused_by_name(cache):
    for status, _, message in ends(start(3, cache=cache, each={1: {"batch_size": 8}, 2: {"data": 1}})):
        assert status == 3, message
        assert "HostsError" in message
        assert "process 1: batch_size: process 0 has 16, here 8" in message
        assert "process 2: sample of the rows" in message or "process 2: data" in message
        assert "Start all of them again with the same settings and the same data." in message


def test_all_rows_are_compared_where_they_are_in_memory(tmp_path):
    x = np.zeros((5000, 2), np.float32)
    other = x.copy()
    other[3, 1] = 1.0  # a row that is not in the sample
    here, there = _checksums((x, None)), _checksums((other, None))
    assert here["sample of the rows"] == there["sample of the rows"]
    assert None is not here["all rows"] != there["all rows"]
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for view in (mapped, mapped[:], np.asarray(mapped)):
        assert _checksums((view, None)) == {**here, "all rows": None}, "no file is read for it"
    assert _checksums((x[:], None)) == here


def test_a_port_that_is_taken(monkeypatch):
    monkeypatch.setattr(hosts, "AFTERLIFE", -1)  # not waited for
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(HostsError, match=f"port {port} cannot be taken on 127.0.0.1 .*another port"):
            hosts.connect(f"127.0.0.1:{port}", 2, 0)


def test_other_numbers_of_processes_are_refused_in_all_of_them(monkeypatch):
    """Each process is asked in turn; the service's store of keys is a dict here."""
    store = {f"jaxgd/processes/{each}": count for each, count in enumerate(("3", "3", "4"))}
    client = SimpleNamespace(
        key_value_set=store.__setitem__, blocking_key_value_get=lambda name, timeout: store[name]
    )
    monkeypatch.setattr(hosts, "_client", lambda: client)
    for me, mine in enumerate((3, 3, 4)):
        with pytest.raises(HostsError, match=r"num_processes: process 0 has 3, process 2 has 4\. Start all"):
            hosts._check_counts(mine, me, 1.0)
    hosts._check_counts(3, 2, 1.0)


def test_a_process_that_took_the_number_of_another(monkeypatch):
    def taken(key, value):
        raise RuntimeError(f"ALREADY_EXISTS: {key}")

    monkeypatch.setattr(hosts, "_client", lambda: SimpleNamespace(key_value_set=taken))
    with pytest.raises(HostsError, match=r"process 1 of 2: ALREADY_EXISTS.* each with its own process_id"):
        hosts._check_counts(2, 1, 1.0)


def test_a_coordinator_that_does_not_answer():
    with pytest.raises(HostsError, match=r"no answer from 127.0.0.1:\d+ within 1 s \(.+\). Start process 0"):
        hosts.connect(f"127.0.0.1:{free_port()}", 2, 1, timeout=1)


def test_processes_that_do_not_come():
    """JAX waits in a way that nothing can interrupt, and aborts then."""
    where = f"127.0.0.1:{free_port()}"
    program = f"from jaxgd.scaling import hosts; hosts.connect({where!r}, 2, 0, timeout=2)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert f"Error: {where}: the processes did not all come within 2 s. Start as many as" in done.stderr


def test_processes_that_run_different_programs(monkeypatch):
    """The store of the service as process 0 finds it, once process 1 has come to another meeting."""
    store = {}
    client = SimpleNamespace(
        key_value_set=store.__setitem__, blocking_key_value_get=lambda name, _: store[name]
    )
    monkeypatch.setattr(hosts, "_client", lambda: client)
    monkeypatch.setattr(hosts, "num_processes", lambda: 2)
    store[f"jaxgd/{hosts._Meetings.count + 1}/1"] = json.dumps({"what": "a sweep", "value": 1, "error": None})
    with pytest.raises(
        HostsError, match="process 1 is at 'a sweep', process 0 at 'a fit': they run different"
    ):
        hosts.meet("a fit", 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("localhost",), "expected HOST:PORT such as"),
        (("localhost:99999", 2, 0), "expected HOST:PORT such as"),
        (("localhost:1234",), "expected the number of processes and this process's number"),
        (("localhost:1234", 2, 2), "process_id: expected a number below num_processes, 2, got 2"),
        ((None, 2, 0), "expected HOST:PORT together"),
        (("localhost:1234", 0, 0), "num_processes: expected an integer of at least 1"),
    ],
)
def test_addresses_and_numbers_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        hosts.connect(*arguments)


@pytest.mark.parametrize("function", [service._NAME, "a_later_name_of_it"])
def test_who_is_done_waits_for_who_still_writes(function):
    """Also where JAX has no function of the name that is replaced: its own service is used then."""
    words, port = [sys.executable, str(HERE / "ending.py")], str(free_port())
    seconds = ["12" if function == service._NAME else "0", "0"]  # ten once ended both
    found = ends(
        [
            subprocess.Popen(
                [*words, str(i), "2", port, seconds[i], function],
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for i in range(2)
        ]
    )
    assert [each[0] for each in found] == [0, 0], found


def test_a_service_that_no_process_can_be_given_is_jax_own(monkeypatch):
    from jax._src import distributed

    def usual(*given):
        return given

    runtime = SimpleNamespace(**{service._NAME: usual}, __name__="runtime")
    monkeypatch.setattr(distributed, "_jax", runtime)
    credentials = object()
    with service.outliving():
        replaced = getattr(runtime, service._NAME)
        assert replaced is not usual
        assert replaced("address", credentials) == ("address", credentials)
    assert getattr(runtime, service._NAME) is usual
    monkeypatch.delattr(distributed, "_jax")
    with service.outliving():
        assert not hasattr(distributed, "_jax")


def test_the_command_line_gives_on_what_it_is_told(monkeypatch):
    """In real processes it is run by `test_environments`."""
    asked = []

    def connect(*given):
        asked.append(given)
        raise HostsError("enough. Start again.")

    monkeypatch.setattr(hosts, "connect", connect)
    words = ["train", "iris", "--coordinator", "10.0.0.1:1234", "--num-processes", "3", "--process-id", "2"]
    assert CliRunner().invoke(app, [*words, "--join-timeout", "7"]).exit_code == 2
    assert asked == [("10.0.0.1:1234", 3, 2, 7.0)]


@pytest.mark.parametrize(
    ("process", "message"),
    [
        (0, r"Error: coordinator: port \d+ cannot be taken on 127.0.0.1 .+Give another port to all"),
        (1, r"Error: coordinator: no answer from 127.0.0.1:\d+ within 1 s .+Start process 0 there, let"),
    ],
)
def test_what_the_command_line_says_of_a_coordinator(monkeypatch, process, message):
    monkeypatch.setattr(hosts, "AFTERLIFE", -1)  # not waited for
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        if process == 0:
            other.listen()
        words = [
            "train",
            "iris",
            "--coordinator",
            f"127.0.0.1:{other.getsockname()[1]}",
            "--join-timeout",
            "1",
        ]
        done = CliRunner().invoke(app, [*words, "--num-processes", "2", "--process-id", str(process)])
    assert done.exit_code == 2
    assert re.search(message, done.output), done.output
