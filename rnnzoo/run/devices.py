"""The devices and processes of a run: `--distribute`, `--devices` and the environment of a cluster."""

import contextlib
import faulthandler
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from rnnzoo.errors import RunError, UserError, first_line
from rnnzoo.run.rendezvous import answers, wait_for_all
from rnnzoo.run.settings import RunSettings
from rnnzoo.training.distribution import Distribution

TF_CONFIG, SLURM = "TF_CONFIG", "SLURM_STEP_NUM_TASKS"
MAX_TASKS = 1024  # processes on a node
LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)
_JOINED = threading.Event()  # set once this process belongs to a cluster
TASK = re.compile(r"/job:(\w+)/(?:replica:\d+/)?task:(\d+)")


def create_distribution(settings: RunSettings, stop: Callable[[], bool]) -> tuple[Distribution, str]:
    """Returns the distribution that the options and the environment ask for, and a line about it, which may be empty.

    Raises:
        UserError: the devices, or the description of the cluster, cannot be used.
    """
    run = settings.run
    gpus = tf.config.list_physical_devices("GPU")
    addresses, worker = _read_cluster(run.distribute)
    kind = run.distribute
    if kind == "auto":
        kind = "multi_worker" if len(addresses) > 1 else "none"
        kind = "mirrored" if kind == "none" and (run.devices or len(gpus)) > 1 else kind
    if run.devices and kind != "mirrored" and run.devices > 1:
        raise UserError("--devices applies to --distribute=mirrored")
    if kind == "none":
        return Distribution(stop=stop), ""
    if settings.training.jit_compile is True:
        raise UserError(f"--distribute={kind} and --jit_compile=true exclude each other: XLA compiles for one device")
    if kind == "mirrored":
        strategy, names = _create_mirrored(run.devices, gpus)
        return Distribution(strategy, stop=stop), f"training on {len(names)} devices: {', '.join(names)}"
    if not addresses:
        raise UserError(
            f"--distribute=multi_worker needs the environment variable {TF_CONFIG}, or Slurm's srun; on this machine: "
            "python -m rnnzoo.launch --workers=2 train.py ..."
        )
    strategy = _create_multi_worker(addresses, worker, run.worker_timeout, gpus, stop)
    line = f"training in {len(addresses)} processes, of which this is worker {worker}: {', '.join(addresses)}"
    return Distribution(strategy, worker, addresses, stop), line


@contextlib.contextmanager
def name_lost_workers(distribution: Distribution) -> Iterator[None]:
    """Context in which TensorFlow's error for a process that has ended becomes a `RunError` that names it."""
    try:
        yield
    except tf.errors.OpError as error:
        if distribution.num_workers == 1 or not isinstance(error, LOST):
            raise
        lost = {f"{job} {number}" for job, number in TASK.findall(str(error).partition("unhealthy")[2])}
        if not lost:  # as when worker 0 ended, to which all others report
            lost = {f"worker {i}" for i, address in enumerate(distribution.addresses) if not answers(address)}
        who = " and ".join(sorted(lost)) or "another worker"
        raise RunError(
            f"{who} ended or does not answer, so that this one ends too ({type(error).__name__}); see its own "
            "message, and start all workers again with --resume"
        ) from error


def _create_mirrored(count: int | None, gpus: list) -> tuple[Any, list[str]]:
    """Returns the strategy, and the names of its devices."""
    if not gpus and not count:
        raise UserError("--distribute=mirrored: there is no GPU; to try it on virtual CPU devices, give --devices=2")
    if gpus and (count or 0) > len(gpus):
        raise UserError(f"--devices={count}: there are {len(gpus)} GPUs")
    kind, number = ("gpu", count or len(gpus)) if gpus else ("cpu", count or 1)
    if not gpus:
        cpu = tf.config.list_physical_devices("CPU")[0]
        with _needs_new_process():
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * number)
    names = [f"{kind}:{i}" for i in range(number)]
    # the default for CPUs, a collective, allows one strategy in a process only
    reduction = None if gpus else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy([f"/{name}" for name in names], cross_device_ops=reduction), names


def _create_multi_worker(addresses: list[str], worker: int, timeout: int, gpus: list, stop: Callable[[], bool]) -> Any:
    cluster, kind, index = _find_cluster()
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(cluster),
        task_type=kind,
        task_id=index,
        num_accelerators={"GPU": len(gpus)},
        rpc_layer="grpc",
    )
    wait_for_all(addresses, worker, timeout, stop)
    faulthandler.dump_traceback_later(timeout, exit=True)  # should one end just now
    try:
        with _needs_new_process():
            strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    finally:
        faulthandler.cancel_dump_traceback_later()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))  # TensorFlow has put its own handler there
    _JOINED.set()
    return strategy


def is_joined() -> bool:
    """Returns whether this process trains together with others."""
    return _JOINED.is_set()


def _find_cluster() -> tuple[dict[str, list[str]], str, int]:
    """Returns the addresses by the kind of process, the kind of this one, and its number among its kind."""
    if TF_CONFIG in os.environ:
        config = json.loads(os.environ[TF_CONFIG])
        task = config.get("task", {})
        return config.get("cluster", {}), task.get("type", "worker"), int(task.get("index", 0))
    if SLURM not in os.environ:
        return {}, "worker", 0
    create = tf.distribute.cluster_resolver.SlurmClusterResolver
    try:
        resolver = create()
        cluster = resolver.cluster_spec().as_dict()
    except (RuntimeError, ValueError, OSError):  # it fails without GPUs, so it is told of one for each process
        resolver = create(gpus_per_node=MAX_TASKS, gpus_per_task=1, auto_set_gpu=False)
        cluster = resolver.cluster_spec().as_dict()
    return cluster, *resolver.get_task_info()


def _read_cluster(distribute: str) -> tuple[list[str], int]:
    """Returns the addresses of all processes, the chief first, and the number of this one; no addresses: no cluster."""
    if distribute not in ("auto", "multi_worker") or (distribute == "auto" and TF_CONFIG not in os.environ):
        return [], 0
    try:
        cluster, kind, index = _find_cluster()
        if others := sorted(set(cluster) - {"chief", "worker"}):
            raise ValueError(f"there are tasks of type {', '.join(others)}, and only chief and worker are used")
        chiefs = list(cluster.get("chief", []))
        addresses = [*chiefs, *cluster.get("worker", [])]
        worker = index + (len(chiefs) if kind == "worker" else 0)
        if addresses and not (kind in cluster and 0 <= index < len(cluster[kind])):
            raise ValueError(f"it lists no task {index} of type {kind}")
    except (ValueError, AttributeError, TypeError, KeyError, RuntimeError, AssertionError) as error:
        origin = TF_CONFIG if TF_CONFIG in os.environ else "Slurm's environment"
        problem = f"{origin} does not describe a cluster: {first_line(error)}"
        raise UserError(f"{problem}; to train in this process alone, give --distribute=none") from None
    return [str(address) for address in addresses], worker


@contextlib.contextmanager
def _needs_new_process() -> Iterator[None]:
    """Context for what TensorFlow allows before its first operation only."""
    try:
        yield
    except RuntimeError as error:
        raise UserError(
            f"--distribute needs a process of its own, as `python train.py` is ({first_line(error)})"
        ) from None
