"""argv + what a candidate may see -> argv inside a sandbox.

A candidate sees its codebase, its output, the training data, the environment's folder and the
system's programs; no home, no campaign, no validation data, no key, and no network but loopback,
unless its training spans nodes. What must stay unseen is masked wherever it lies below something
that is shown: validation data, and files of Python's library that it was made from.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airr.worker.gpus import gpus_to_show, usable_gpus

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/alternatives")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/localtime", "/etc/nsswitch.conf")
NETWORK_FILES = ("/etc/hosts", "/etc/host.conf", "/etc/resolv.conf")
PASSED_ON = re.compile(r"LANG|LC_ALL|CUDA_VISIBLE_DEVICES|MASTER_(?:ADDR|PORT)|NCCL_\w+|GLOO_\w+")
GPU_DEVICES = ("nvidia*", "dri", "kfd")
FAST_NETWORK = "/dev/infiniband"
PYTHON_LIBRARIES = ("python3*", "lib*/python3*", "local/lib*/python3*")
"""Where Pythons keep their standard library, below what a candidate sees."""
PACKAGES = frozenset({"site-packages", "dist-packages"})
"""What the folders are called that libraries are installed into."""
HIDDEN_LIST = "hidden.txt"
"""The file beside validation data that names the files of Python's library it was made from."""
HIDDEN_MODULE = Path(__file__).with_name("hidden_module.py")
"""What stands in the place of a library module that is hidden."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a candidate's process sees of the node, beside system programs and Python itself.

    `temporary` folders are writable, empty and gone afterwards; each holds at most `memory_bytes`.
    `hidden` paths stay unseen though they may lie below what is seen, and so do `hidden_modules`,
    by their path in Python's library (`ftplib.py`, `wsgiref`, or below `site-packages`).
    `network` is the node's own, for a training that spans nodes; without it there is loopback.
    """

    readable: tuple[str, ...]
    writable: tuple[str, ...]
    temporary: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    hidden_modules: tuple[str, ...] = ()
    folder: str
    environment: Mapping[str, str]
    memory_bytes: int
    gpus: int
    network: bool


def hidden_modules(sealed_data: str) -> tuple[str, ...]:
    """Return the files of Python's library that an environment's validation data was made from."""
    try:
        return tuple((Path(sealed_data) / HIDDEN_LIST).read_text(encoding="utf-8").split())
    except FileNotFoundError:
        return ()


def shield(kind: str, view: View) -> tuple[str, ...]:
    """Return the argv prefix that runs a command with this view, and with nothing else."""
    return _bubblewrap(view) if kind == "bubblewrap" else _unshielded(view)


@functools.cache
def bubblewrap_works() -> bool:
    """Tell whether this node lets this user start a bubblewrap sandbox."""
    if shutil.which("bwrap") is None:
        return False
    probe = ("bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true")
    try:
        return subprocess.run(probe, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _unshielded(view: View) -> tuple[str, ...]:
    """Return a prefix that hides the environment variables and nothing else."""
    return ("env", "-i", "-C", view.folder, *(f"{k}={v}" for k, v in view.environment.items()))


def _bubblewrap(view: View) -> tuple[str, ...]:
    """Return the bubblewrap prefix: new namespaces, an empty root, dead with its parent."""
    argv = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
    argv += ["--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev"]
    argv += [*_tmpfs("/tmp", view), "--perms", "1777", *_tmpfs("/dev/shm", view)]
    gpus, environment = _gpus(view)
    argv += [*gpus, *_network(view)]
    shown = [*_system_paths(), *_python_paths()]
    for path in shown:
        argv += _show_read_only(path)
    argv += _masks([*view.hidden, *_library_files(view.hidden_modules, shown)], shown)
    for path in view.readable:
        argv += ["--ro-bind", path, path]
    for path in view.writable:
        argv += ["--bind", path, path]
    for path in view.temporary:
        argv += _tmpfs(path, view)
    argv += _masks(view.hidden, view.readable)
    for name, value in environment.items():
        argv += ["--setenv", name, value]
    return (*argv, "--chdir", view.folder, "--")


def _gpus(view: View) -> tuple[list[str], dict[str, str]]:
    """Return what shows a candidate its GPUs, and its environment with their names in it."""
    environment = dict(view.environment)
    if not view.gpus:
        return [], environment
    named = environment.get("CUDA_VISIBLE_DEVICES")
    shown = gpus_to_show(named, usable_gpus(), _gpu_devices())
    if shown.names is not None:
        environment["CUDA_VISIBLE_DEVICES"] = shown.names
    devices = [word for device in shown.devices for word in ("--dev-bind", device, device)]
    return [*devices, "--ro-bind", "/sys", "/sys"], environment


def _network(view: View) -> list[str]:
    if not view.network:
        return []
    files = [word for path in NETWORK_FILES for word in ("--ro-bind-try", path, path)]
    return ["--share-net", "--dev-bind-try", FAST_NETWORK, FAST_NETWORK, *files]


def _show_read_only(path: str) -> tuple[str, ...]:
    """Return what shows a system path; a link (/lib to usr/lib) stays one, and no second copy."""
    here = Path(path)
    if here.is_symlink() and path in SYSTEM:
        return ("--symlink", str(here.readlink()), path)
    return ("--ro-bind", path, path)


def _tmpfs(path: str, view: View) -> tuple[str, ...]:
    """Return what puts an empty folder in memory, of bounded size where bubblewrap can (0.8)."""
    size = ("--size", str(view.memory_bytes)) if _takes_sizes() else ()
    return (*size, "--tmpfs", path)


@functools.cache
def _takes_sizes() -> bool:
    told = subprocess.run(("bwrap", "--help"), capture_output=True, timeout=10, check=False)
    return b"--size" in told.stdout + told.stderr


def _masks(hidden: Sequence[str], shown: Sequence[str]) -> list[str]:
    """Return what covers those of the hidden paths that lie below something that is shown."""
    argv: list[str] = []
    for path in sorted({*hidden, *map(os.path.realpath, hidden)}):
        if not _below(path, shown) or path in shown:
            continue
        if Path(path).is_dir():
            argv += ["--tmpfs", path]
        elif Path(path).exists():
            argv += ["--ro-bind", str(HIDDEN_MODULE), path]
    return argv


def _library_files(modules: Sequence[str], shown: Sequence[str]) -> list[str]:
    """Return where these modules lie in every Python's library below what is shown.

    A module is a folder, or a file that may have compiled forms beside it.
    """
    libraries = {
        library
        for root in (shown if modules else ())
        for pattern in PYTHON_LIBRARIES
        for library in Path(root).glob(pattern)
        if library.is_dir() and not library.is_symlink()
    } | {Path(root).parent for root in shown if Path(root).name in PACKAGES}
    found: list[Path] = []
    for library in sorted(libraries):
        for module in modules:
            path = library / module
            compiled = path.parent.glob(f"__pycache__/{path.stem}.*.pyc")
            found += [path, *(compiled if path.suffix else ())]
    return [str(path) for path in found if path.exists()]


def _system_paths() -> list[str]:
    return [path for path in (*SYSTEM, *SYSTEM_FILES) if Path(path).exists()]


def _python_paths() -> list[str]:
    """Return the folders of the running interpreter, its libraries and virtual environment."""
    paths = {*_prefixes(), *outlying_libraries(sys.path, (*_prefixes(), *SYSTEM))}
    return [path for path in sorted(paths) if not _below(path, SYSTEM)]


def _prefixes() -> set[str]:
    return {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}


def outlying_libraries(search_path: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return library folders of a search path outside of `known`: `pip install --user`, say."""
    return [
        path
        for path in search_path
        if Path(path).name in PACKAGES and not _below(path, known) and Path(path).is_dir()
    ]


def _below(path: str, folders: Sequence[str]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)


def _gpu_devices() -> set[str]:
    return {str(path) for pattern in GPU_DEVICES for path in Path("/dev").glob(pattern)}


def candidate_environment(
    own: Mapping[str, str], added: Mapping[str, str], home: str
) -> dict[str, str]:
    """Return a candidate's environment variables: an allow-list of ours, and the plan's."""
    allowed = {name: value for name, value in own.items() if PASSED_ON.fullmatch(name)}
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"])
    fixed = {
        "PATH": path,
        "HOME": home,
        "TMPDIR": home,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    libraries = outlying_libraries(sys.path, (*_prefixes(), *SYSTEM))
    if libraries:
        fixed["PYTHONPATH"] = os.pathsep.join(libraries)
    return {**allowed, **fixed, **added}
