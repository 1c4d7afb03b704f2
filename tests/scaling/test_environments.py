"""Processes that are told by their environment who they are: a batch system's, a cluster's, a TPU pod's."""

import json
import os
import socket
import subprocess
import sys
from contextlib import nullcontext
from types import ModuleType, SimpleNamespace

import jax
import numpy as np
import pytest
from jax._src import clusters, distributed
from jax._src.clusters import cloud_tpu_cluster, k8s_cluster
from processes import ends, environment

import jaxgd
from jaxgd.scaling import HostsError, hosts

FIRST_PORT = 61_440  # of those that JAX makes of a job's number
ROUNDING = 1e-5  # float32: the order of sums over rows, along 16 steps of Adam
NAMES = ("SLURM_", "OMPI_", "TPU_", "MEGASCALE_", "KUBERNETES_", "JOB_", "JAX_COORDINATOR")


def slurm(process, port):
    """As `srun` sets it on two nodes, one task on each, of which the first is this machine."""
    return {
        "SLURM_JOB_ID": str(port - FIRST_PORT),
        "SLURM_STEP_NODELIST": "127.0.0.1,node[002-003]",
        "SLURM_STEP_NUM_NODES": "2",
        "SLURM_NTASKS": "2",
        "SLURM_PROCID": str(process),
        "SLURM_LOCALID": "0",
    }


def open_mpi(process, port):
    """As `mpirun` sets it for two processes on one machine."""
    return {
        "OMPI_MCA_orte_hnp_uri": f"{(port - FIRST_PORT) * 4096}.0;tcp://127.0.0.1,10.1.0.1:34911",
        "OMPI_COMM_WORLD_SIZE": "2",
        "OMPI_COMM_WORLD_RANK": str(process),
        "OMPI_COMM_WORLD_LOCAL_RANK": str(process),
    }


def port_of_a_job():
    """A port that nobody listens on, of those that JAX takes for jobs."""
    for port in range(FIRST_PORT + os.getpid() % 2000, 2**16):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")


def train(folder, cache, words=(), more=()):
    """`jaxgd train` in a process of its own."""
    plain = {name: value for name, value in environment(cache).items() if not name.startswith(NAMES)}
    return subprocess.Popen(
        [sys.executable, "-m", "jaxgd", "train", "iris", "--epochs", "4", "--no-report", "--json", *words],
        cwd=folder,
        env={**plain, "JAXGD_CACHE": "off", **dict(more)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module")
def alone(cache, tmp_path_factory):
    """The numbers of the run in one process."""
    folder = tmp_path_factory.mktemp("alone")
    assert ends([train(folder, cache, ["--out", "run"])])[0][0] == 0
    return numbers(folder)


def numbers(folder):
    _, params, _ = jaxgd.load(folder / "run" / "model.keras")
    return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(params)])


def test_two_processes_that_a_batch_system_started_are_one_run(alone, cache, tmp_path):
    port = port_of_a_job()
    words = ["--coordinator", "auto", "--out", "run"]
    found = ends([train(tmp_path, cache, words, slurm(process, port)) for process in range(2)])
    assert [each[0] for each in found] == [0, 0], found
    assert json.loads(found[0][1])["epochs"] == 4
    assert '"epochs"' not in found[1][1], "one process writes and shows"
    assert {"config.json", "model.keras", "history.csv"} <= set(os.listdir(tmp_path / "run"))
    assert np.abs(numbers(tmp_path) - alone).max() < ROUNDING * np.abs(alone).max()


class FakeRuntime(SimpleNamespace):
    """What JAX would start and register with, taken down."""

    def __init__(self):
        super().__init__(__name__="runtime", asked=[])
        self.client = SimpleNamespace(connect=lambda: None)
        self.manager = SimpleNamespace(initialize=lambda client: None)

    def get_distributed_runtime_service(self, address, count, **options):
        self.asked.append((address, count, options))

    def get_distributed_runtime_client(self, address, process, **options):
        self.asked.append((address, process, options))
        return self.client

    def create_preemption_sync_manager(self):
        return self.manager


@pytest.fixture
def runtime(monkeypatch):
    """JAX's own detection, with a runtime that starts nothing and an environment that says nothing yet."""
    fake = FakeRuntime()
    for name in [name for name in os.environ if name.startswith(NAMES)]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(distributed, "_jax", fake)
    monkeypatch.setattr(hosts, "outliving", nullcontext)
    monkeypatch.setattr(hosts, "_use_collectives_of_cpu", lambda: None)
    anew = distributed.State()  # that of this process has devices already
    monkeypatch.setattr(jax.distributed, "initialize", anew.initialize)
    return fake


def set_all(monkeypatch, values):
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def check_asked(runtime, host, port, process, count):
    """That a process asked for its place, and the first one for a service, with our own times."""
    *service, (address, number, options) = runtime.asked
    assert (address, number) == (f"{host}:{port}", process)
    assert options["heartbeat_timeout"] == hosts.HEARTBEAT
    assert options["init_timeout"] > 30, "the process ends itself before JAX ends it"
    assert [each[:2] for each in service] == ([(f"[::]:{port}", count)] if process == 0 else [])


@pytest.mark.parametrize("process", [0, 1])
def test_open_mpi(runtime, monkeypatch, process):
    set_all(monkeypatch, open_mpi(process, FIRST_PORT + 7))
    hosts.connect(timeout=30)
    check_asked(runtime, "127.0.0.1", str(FIRST_PORT + 7), process, 2)


@pytest.mark.parametrize("process", [0, 1])
def test_a_jobset_of_kubernetes(runtime, monkeypatch, process):
    """Two indexed pods of a job of a JobSet; names and numbers are as the cluster's API gives them."""
    labels = {"jobset.sigs.k8s.io/jobset-name": "digits"}
    job = SimpleNamespace(
        metadata=SimpleNamespace(name="digits-trainer-0", labels=labels), spec=SimpleNamespace(parallelism=2)
    )
    owner = SimpleNamespace(controller=True, kind="Job")
    pod = SimpleNamespace(
        metadata=SimpleNamespace(name="pod", labels={"job-name": job.metadata.name}, owner_references=[owner])
    )
    client = ModuleType("kubernetes.client")
    client.CoreV1Api = client.BatchV1Api = SimpleNamespace  # pyright: ignore[reportAttributeAccessIssue]
    client.exceptions = SimpleNamespace(ApiException=RuntimeError)  # pyright: ignore
    kubernetes = ModuleType("kubernetes")
    kubernetes.client = client  # pyright: ignore[reportAttributeAccessIssue]
    kubernetes.config = SimpleNamespace(load_incluster_config=lambda: None)  # pyright: ignore
    monkeypatch.setitem(sys.modules, "kubernetes", kubernetes)
    monkeypatch.setattr(k8s_cluster.K8sCluster, "_pod", classmethod(lambda cls: pod))
    monkeypatch.setattr(k8s_cluster.K8sCluster, "_job", classmethod(lambda cls: job))
    monkeypatch.setattr(k8s_cluster.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(k8s_cluster.socket, "gethostbyname", lambda name: "10.0.0.1")
    set_all(monkeypatch, {"KUBERNETES_SERVICE_HOST": "10.0.0.9", "JOB_COMPLETION_INDEX": str(process)})
    hosts.connect(timeout=30)
    check_asked(runtime, "digits-trainer-0-0.digits", "55527", process, 2)


@pytest.mark.parametrize(("slice_number", "worker"), [(0, 0), (1, 1)])
def test_two_slices_of_a_tpu_pod(runtime, monkeypatch, slice_number, worker):
    """Two hosts in each, as Kubernetes Engine tells them; process 0 is the first host of the first slice."""
    monkeypatch.setattr(cloud_tpu_cluster, "running_in_cloud_tpu_vm", True)
    monkeypatch.setattr(clusters.cluster, "running_in_cloud_tpu_vm", True)
    set_all(
        monkeypatch,
        {
            "TPU_SKIP_MDS_QUERY": "1",
            "TPU_WORKER_HOSTNAMES": "localhost,other",
            "TPU_WORKER_ID": str(worker),
            "MEGASCALE_COORDINATOR_ADDRESS": "localhost:8080",
            "MEGASCALE_NUM_SLICES": "2",
            "MEGASCALE_SLICE_ID": str(slice_number),
        },
    )
    hosts.connect(timeout=30)
    check_asked(runtime, "localhost", "8482", 2 * slice_number + worker, 4)


def test_an_environment_that_says_nothing(runtime):
    with pytest.raises(HostsError, match=r"environment names none: expected that of SLURM.+Give HOST:PORT"):
        hosts.connect(timeout=30)
    assert runtime.asked == []
