"""argv + what a candidate may see -> argv inside a sandbox.

A candidate sees its codebase, its output, the training data, the environment's folder and the
system's programs; no home, no campaign, no validation data, no key, and no network but loopback,
unless its training spans nodes.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a candidate's process sees of the node, beside system programs and Python itself.

    `network` is the node's own, for a training that spans nodes; without it there is loopback.
    """

    readable: tuple[str, ...]
    writable: tuple[str, ...]
    folder: str
    environment: Mapping[str, str]
    gpus: int
    network: bool


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
    argv += ["--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    argv += ["--perms", "1777", "--tmpfs", "/dev/shm"]
    environment = dict(view.environment)
    if view.gpus:
        named = environment.get("CUDA_VISIBLE_DEVICES")
        shown = gpus_to_show(named, usable_gpus(), _gpu_devices())
        for device in shown.devices:
            argv += ["--dev-bind", device, device]
        argv += ["--ro-bind", "/sys", "/sys"]
        if shown.names is not None:
            environment["CUDA_VISIBLE_DEVICES"] = shown.names
    if view.network:
        argv += ["--share-net", "--dev-bind-try", FAST_NETWORK, FAST_NETWORK]
        for path in NETWORK_FILES:
            argv += ["--ro-bind-try", path, path]
    for path in (*_system_paths(), *_python_paths(), *view.readable):
        argv += ["--ro-bind", path, path]
    for path in view.writable:
        argv += ["--bind", path, path]
    for name, value in environment.items():
        argv += ["--setenv", name, value]
    return (*argv, "--chdir", view.folder, "--")


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
        if Path(path).name in {"site-packages", "dist-packages"}
        and not _below(path, known)
        and Path(path).is_dir()
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
