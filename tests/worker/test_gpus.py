"""Which device files of GPUs a sandbox shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from airr.worker.gpus import Gpu, Shown, gpus_to_show, usable_gpus

FOUR = tuple(Gpu(f"GPU-{letter}{letter}", f"/dev/nvidia{i}") for i, letter in enumerate("abcd"))
COMMON = ("/dev/nvidia-caps", "/dev/nvidia-nvswitch0", "/dev/nvidia-uvm", "/dev/nvidiactl")
FILES = {*COMMON, "/dev/dri", *(gpu.device for gpu in FOUR)}


@pytest.mark.parametrize(
    ("names", "own", "renamed"),
    [
        ("2", ["/dev/nvidia2"], "0"),
        ("1,3", ["/dev/nvidia1", "/dev/nvidia3"], "0,1"),
        ("GPU-dd, GPU-a", ["/dev/nvidia3", "/dev/nvidia0"], "0,1"),
    ],
)
def test_who_shares_a_node_is_shown_its_own_gpus_and_what_all_need(
    names: str, own: list[str], renamed: str
):
    assert gpus_to_show(names, FOUR, FILES) == Shown((*COMMON, *own), renamed)


@pytest.mark.parametrize(
    "names", [None, "", "0,1,2,3", "4", "MIG-1f", "GPU-", "GPU-e", "1,1", "NoDevFiles"]
)
def test_all_is_shown_to_who_has_all_and_where_names_cannot_be_told(names: str | None):
    assert gpus_to_show(names, FOUR, FILES) == Shown(tuple(sorted(FILES)), names)


def test_without_a_driver_nothing_changes():
    assert gpus_to_show("1", (), {"/dev/kfd"}) == Shown(("/dev/kfd",), "1")


def test_gpus_are_numbered_by_address_and_those_that_cannot_be_opened_are_not_there(
    tmp_path: Path,
):
    for address, minor in (("0000:9b:00.0", 0), ("0000:1a:00.0", 3), ("0000:5c:00.0", 2)):
        (tmp_path / "gpus" / address).mkdir(parents=True)
        text = f"Model:  H100\nGPU UUID: \t GPU-{minor}{minor}\nDevice Minor: \t {minor}\n"
        (tmp_path / "gpus" / address / "information").write_text(text)
    for minor in (0, 3):
        (tmp_path / f"nvidia{minor}").touch()
    found = usable_gpus(tmp_path / "gpus", tmp_path)
    assert found == (
        Gpu("GPU-33", str(tmp_path / "nvidia3")),
        Gpu("GPU-00", str(tmp_path / "nvidia0")),
    )
