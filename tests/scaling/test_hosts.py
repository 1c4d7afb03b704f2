"""Several processes are one run: equal to a single one, killed and gone on with, refused if they differ."""

import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from processes import ends, environment, free_port, results, start

from jaxgd.scaling import HostsError, hosts

ROUNDING = 2e-6  # float32: the order of sums over rows, along 16 steps


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module")
def alone(cache):
    return results(start(1, cache=cache))[0]


@pytest.fixture(scope="module")
def pair(cache, tmp_path_factory):
    """Two processes to their end, with checkpoints."""
    folder = tmp_path_factory.mktemp("pair") / "checkpoints"
    return results(start(2, folder, cache)), folder


def distance(found, expected):
    a, b = (np.asarray(each["numbers"]) for each in (found, expected))
    return np.abs(a - b).max() / np.abs(b).max()


def test_two_processes_are_one_run(alone, pair):
    found, _ = pair
    assert found[0] == found[1], "every process has the result"
    assert found[0]["step"] == alone["step"] == 16
    assert distance(found[0], alone) < ROUNDING


def test_one_killed_ends_all_and_they_go_on_bit_for_bit(pair, cache, tmp_path):
    expected, _ = pair
    folder = tmp_path / "checkpoints"
    processes = start(2, folder, cache, pause=0.3, epochs=40)
    deadline = time.monotonic() + 200
    while not (tmp_path / "started").exists():
        assert time.monotonic() < deadline, ends(processes)
        time.sleep(0.05)
    processes[1].kill()
    killed_at = time.monotonic()
    status, _, message = ends(processes[:1], timeout=hosts.HEARTBEAT + 40)[0]
    assert time.monotonic() - killed_at < hosts.HEARTBEAT + 20
    processes[1].communicate()
    assert status == 3, message
    assert "HostLostError: process 0 of 2: another process has ended" in message
    assert "start all of them again" in message
    longer = results(start(2, folder, cache, epochs=40))
    whole = results(start(2, tmp_path / "whole", cache, epochs=40))
    assert longer[0]["digest"] == whole[0]["digest"] != expected[0]["digest"]
    assert longer[0] == whole[0]


def test_four_processes_go_on_from_two(pair, cache):
    _, folder = pair
    further = results(start(4, folder, cache, epochs=6))
    alone = results(start(1, cache=cache, epochs=6))[0]
    assert all(each == further[0] for each in further)
    assert further[0]["step"] == alone["step"] == 24
    assert distance(further[0], alone) < 2 * ROUNDING


@pytest.mark.parametrize(
    ("options", "named"),
    [({"batch_size": 8}, "batch_size: process 0 has 16, here 8"), ({"data": 1}, "sample of the rows")],
    ids=["settings", "data"],
)
def test_a_process_that_differs_is_refused_by_name(options, named, cache):
    for status, _, message in ends(start(2, cache=cache, each={1: options})):
        assert status == 3, message
        assert "HostsError" in message
        assert "process 1: " in message
        assert named in message


def test_a_process_that_fails_tells_the_others(cache):
    found = ends(start(2, cache=cache, each={1: {"optimizer": "adamant"}}))
    status, _, message = found[0]
    assert status == 3
    assert "process 1: unknown optimizer 'adamant'" in message


def test_a_port_that_is_taken():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(HostsError, match=f"port {port} cannot be taken on 127.0.0.1 .*another port"):
            hosts.connect(f"127.0.0.1:{port}", 2, 0)


def test_a_coordinator_that_does_not_answer():
    with pytest.raises(HostsError, match=r"no answer from 127.0.0.1:\d+ within 1 s \(.+\). Is process 0"):
        hosts.connect(f"127.0.0.1:{free_port()}", 2, 1, timeout=1)


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


def test_the_command_line_in_two_processes(cache, tmp_path):
    port = free_port()
    words = [sys.executable, "-m", "jaxgd", "train", "iris", "--epochs", "2", "--no-report", "--out", "run"]
    words += ["--coordinator", f"127.0.0.1:{port}", "--num-processes", "2", "--json"]
    running = [
        subprocess.Popen(
            [*words, "--process-id", str(i)],
            cwd=tmp_path,
            env={**environment(cache), "JAXGD_CACHE": "off"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(2)
    ]
    first, second = ends(running)
    assert first[0] == second[0] == 0, (first, second)
    assert '"epochs": 2' in first[1]
    assert '"epochs"' not in second[1], "one process writes and shows"
    assert {"config.json", "model.keras", "history.csv"} <= set(os.listdir(tmp_path / "run"))
