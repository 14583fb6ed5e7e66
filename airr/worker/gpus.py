"""GPUs as a process names them -> the device files that a sandbox shows, and no others.

CUDA takes a GPU whose device file it cannot open for one that is not there, and numbers the others
from 0. So a candidate that shares its node is held to its own GPUs, whatever it writes into
CUDA_VISIBLE_DEVICES.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from airr.machine import GPU

DRIVER = Path("/proc/driver/nvidia/gpus")
"""One folder for each GPU, named by its PCI address, in the order of which CUDA numbers them."""
UUID = re.compile(r"GPU UUID:\s*(GPU-\S+)")
NUMBER = re.compile(r"\d{1,6}")
MINOR = re.compile(r"Device Minor:\s*(\d+)")


@dataclass(frozen=True, slots=True)
class Gpu:
    """An NVIDIA GPU of this machine."""

    uuid: str
    device: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What a sandbox shows of the machine's GPUs: device files, and how CUDA is to name them."""

    devices: tuple[str, ...]
    names: str | None


def usable_gpus(driver: Path = DRIVER, devices: Path = Path("/dev")) -> tuple[Gpu, ...]:
    """Return the GPUs that this process may open, in the order of their numbers.

    A job that its site confines to its GPUs may not open the others.
    """
    found: list[Gpu] = []
    for folder in sorted(driver.glob("*")):
        text = (folder / "information").read_text(errors="replace")
        uuid, minor = UUID.search(text), MINOR.search(text)
        if uuid and minor and _opens(device := devices / f"nvidia{minor[1]}"):
            found.append(Gpu(uuid[1], str(device)))
    return tuple(found)


def _opens(device: Path) -> bool:
    try:
        os.close(os.open(device, os.O_RDWR))
    except OSError:
        return False
    return True


def gpus_to_show(names: str | None, usable: Sequence[Gpu], files: Collection[str]) -> Shown:
    """Return which of the device `files` are shown to who may use the GPUs of these names.

    Those are numbers or UUIDs, divided by commas. All is shown, and names stay what they are, to
    who names all GPUs or none, and where names cannot be told: as those of parts of a GPU.
    """
    everything = Shown(tuple(sorted(files)), names)
    wanted = names.split(",") if names else []
    own = [_device_of(name.strip(), usable) for name in wanted]
    known = [device for device in own if device is not None]
    if not known or len({*known}) < len(wanted) or len(known) == len(usable):
        return everything
    common = [file for file in files if "nvidia" in file and not GPU.fullmatch(Path(file).name)]
    return Shown((*sorted(common), *known), ",".join(map(str, range(len(known)))))


def _device_of(name: str, usable: Sequence[Gpu]) -> str | None:
    if NUMBER.fullmatch(name):
        return usable[int(name)].device if int(name) < len(usable) else None
    fits = [gpu.device for gpu in usable if name.startswith("GPU-") and gpu.uuid.startswith(name)]
    return fits[0] if len(fits) == 1 else None
