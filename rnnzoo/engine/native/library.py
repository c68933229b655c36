"""Compilation and loading of the native kernels, once for each source, TensorFlow, compiler and processor."""

import ctypes
import dataclasses
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

import tensorflow as tf

SOURCE = Path(__file__).with_name("kernel.c")
FLAGS = ("-std=gnu11", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared", "-pthread")
TUNED = "-march=native"
COMPILERS = ("cc", "gcc", "clang")
COMPILE_SECONDS = 120
SWITCH = "RNNZOO_NATIVE"  # environment variable: 0 turns the kernels off
CACHE = "RNNZOO_CACHE"  # environment variable: the cache folder
_LOCK = threading.Lock()
_LIBRARIES: dict[str, "Library"] = {}  # by digest: loaded twice, under any path, TensorFlow would refuse both


class UnavailableError(Exception):
    """The kernels cannot be used; the message says why."""


class WrongResultError(UnavailableError):
    """A compiled kernel gives other numbers than TensorFlow."""


@dataclasses.dataclass(frozen=True)
class Library:
    """The loaded kernels.

    Attributes:
        path: the shared library.
        digest: digest of the source, TensorFlow, the compiler and the processor.
        vector_bits: width of its vectors.
        forward: the operation that runs a layer.
        backward: the operation that computes its gradients.
    """

    path: Path
    digest: str
    vector_bits: int
    forward: Any
    backward: Any


def find_compiler() -> str:
    """Returns the path of a C compiler: `$CC`, or the first of `cc`, `gcc` and `clang`."""
    for name in filter(None, (os.environ.get("CC"), *COMPILERS)):
        if path := shutil.which(name):
            return path
    raise UnavailableError("no C compiler was found (cc, gcc or clang)")


def cache_folder() -> Path:
    """Returns the folder of compiled kernels, which only its owner can write to."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get(CACHE) or Path(base) / "rnnzoo") / "native"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(f"the cache folder {folder} cannot be created: {error.strerror}") from None
    check_owner(folder)
    return folder


def check_owner(path: Path) -> None:
    """Raises `UnavailableError` for a file or folder that another user owns or can write to."""
    status = path.lstat()
    if status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or path.is_symlink():
        raise UnavailableError(f"{path} is a link, or other users own it or can write to it")


def compute_digest(compiler: str, flags: tuple[str, ...]) -> str:
    """Returns the digest of everything that a compiled kernel depends on."""
    version = _run([compiler, "--version"], 20)
    text = "\n".join([SOURCE.read_text(encoding="utf-8"), *flags, version, tf.__version__, describe_processor()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def describe_processor() -> str:
    """Returns the model and the instruction sets of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    keys = ("model name", "flags", "Features", "CPU part")
    return "\n".join([platform.machine(), *sorted({line for line in lines if line.startswith(keys)})])


def compile_library(flags: tuple[str, ...] = (TUNED,)) -> tuple[Path, str]:
    """Compiles the kernels unless they are in the cache: `(path, digest)`."""
    compiler = find_compiler()
    digest = compute_digest(compiler, flags)
    folder = cache_folder()
    path = folder / f"kernel-{digest}.so"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            part = Path(temporary) / path.name
            suffix = f'-DRNNZOO_SUFFIX="{digest}"'
            _run([compiler, *FLAGS, *flags, suffix, "-o", str(part), str(SOURCE)], COMPILE_SECONDS)
            part.replace(path)
    check_owner(path)
    return path, digest


def load_library(flags: tuple[str, ...] = (TUNED,)) -> Library:
    """Compiles and loads the kernels; one library is loaded once in a process.

    Raises:
        UnavailableError: there is no compiler, it fails, the cache folder is not safe, or TensorFlow refuses the file.
    """
    with _LOCK:
        path, digest = compile_library(flags)
        if digest not in _LIBRARIES:
            try:
                _export_symbols()
                module = tf.load_op_library(str(path))
                handle = ctypes.CDLL(str(path))
            except (tf.errors.OpError, OSError) as error:
                raise UnavailableError(f"TensorFlow cannot load {path}: {error}") from None
            handle.rnnzoo_error.restype = ctypes.c_char_p
            if message := handle.rnnzoo_error():
                raise UnavailableError(f"TensorFlow does not accept {path}: {message.decode(errors='replace')}")
            handle.rnnzoo_set_threads(max_threads())
            for name in ("RnnzooForward", "RnnzooBackward"):  # the gradients are custom ones
                tf.no_gradient(name + digest)
            forward, backward = (_operation(module, name) for name in ("rnnzoo_forward", "rnnzoo_backward"))
            _LIBRARIES[digest] = Library(path, digest, handle.rnnzoo_vector_bits(), forward, backward)
        return _LIBRARIES[digest]


def max_threads(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Returns the largest number of threads of a call, 0 for one on each core.

    It is that of TensorFlow's operations, but no more than the cores that a container may use at a time.
    """
    limits = [tf.config.threading.get_intra_op_parallelism_threads()]
    for names in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):  # versions 2 and 1
        try:
            quota, period = map(int, " ".join((cgroup / n).read_text(encoding="ascii") for n in names).split())
        except (OSError, ValueError):  # of another version, or "max"
            continue
        limits.append(-(-quota // period) if quota > 0 else 0)
    return min(filter(None, limits), default=0)


def _export_symbols() -> None:
    """Makes the C API of TensorFlow visible to the library; before 2.19, importing TensorFlow does not."""
    for path in Path(tf.sysconfig.get_lib()).glob("libtensorflow_framework.so*"):
        ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)


def _operation(module: Any, prefix: str) -> Any:
    """Returns the operation with a prefix; its name ends with the digest."""
    return next(getattr(module, name) for name in dir(module) if name.startswith(prefix) and "eager" not in name)


def _run(command: list[str], seconds: float) -> str:
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=seconds, errors="replace")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{command[0]} cannot be run: {error}") from None
    if result.returncode:
        raise UnavailableError(f"{command[0]} failed: {(result.stderr.strip() or 'no message').splitlines()[0]}")
    return result.stdout
