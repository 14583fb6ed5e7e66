"""The data of an environment is looked for before anything begins: every file of it."""

import json
from pathlib import Path

import pytest

from airr.errors import ConfigError
from airr.parsing import parse_config
from airr.prepared import check_data
from tests import toy
from tests.test_config import composed


@pytest.fixture
def env(tmp_path: Path) -> list[str]:
    return toy.make_campaign_env(tmp_path)


def sealed(tmp_path: Path) -> Path:
    return tmp_path / "sealed_data"


@pytest.mark.parametrize("kind", ["shards", "files"])
def test_a_file_that_its_manifest_names_and_that_is_gone_is_told_by_name(
    kind: str, env: list[str], tmp_path: Path
):
    config = parse_config(composed(*env))
    (sealed(tmp_path) / "manifest.json").write_text(json.dumps({kind: {"val_000.bin": {}}}))
    with pytest.raises(ConfigError, match=r"val_000\.bin\): python -m airr\.prepare env="):
        check_data(config)
    (sealed(tmp_path) / "val_000.bin").touch()
    check_data(config)


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"shards": 3}'])
def test_a_manifest_that_cannot_be_read_counts_as_data_that_is_not_there(
    text: str, env: list[str], tmp_path: Path
):
    (sealed(tmp_path) / "manifest.json").write_text(text)
    with pytest.raises(ConfigError, match=r"manifest\.json"):
        check_data(parse_config(composed(*env)))


def test_an_empty_folder_is_told_with_where_to_prepare_it(env: list[str], tmp_path: Path):
    for file in sealed(tmp_path).iterdir():
        file.unlink()
    with pytest.raises(
        ConfigError, match=r"sealed_data\): python -m airr\.prepare env=\S+ data=/elsewhere$"
    ):
        check_data(parse_config(composed(*env, "data=/elsewhere")))


def test_a_folder_that_is_gone_is_told_by_name(env: list[str], tmp_path: Path):
    sealed(tmp_path).rename(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"sealed_data\): python -m airr\.prepare"):
        check_data(parse_config(composed(*env)))
