"""A researcher's own templates: what nobody would ever read is refused at the start."""

from pathlib import Path

import pytest

from airr.errors import ConfigError
from airr.prompts import Prompts


def folder_of(place: Path, **templates: str) -> str:
    for name, text in templates.items():
        path = place / f"{name.replace('__', '/')}.j2"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return str(place)


def test_a_template_of_the_same_name_replaces_ours_and_may_include_one_of_its_own(tmp_path: Path):
    own = folder_of(
        tmp_path,
        ideate__more="{% include 'house/tone.j2' %} {{ missing }} more",
        house__tone="Be bold.",
    )
    assert Prompts(own).render("ideate/more.j2", {"missing": 3}) == "Be bold. 3 more"


def test_a_misspelt_template_is_refused_with_the_name_that_was_meant(tmp_path: Path):
    own = folder_of(tmp_path, ideate__fresh="x", ideate__exploitt="x")
    with pytest.raises(
        ConfigError, match=r"no prompt is called ideate/exploitt\.j2: did you mean ideate/exploit"
    ):
        Prompts(own)


def test_a_folder_that_replaces_nothing_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"it holds no template, such as ideate/debug\.j2"):
        Prompts(str(tmp_path))


def test_a_malformed_template_is_refused_by_name(tmp_path: Path):
    own = folder_of(tmp_path, ideate__fresh="{% if %}")
    with pytest.raises(ConfigError, match=r"ideate/fresh\.j2: Expected an expression"):
        Prompts(own)
