"""What every script of analysis/ is: campaigns in, one figure and its numbers out, calm errors."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from airr.errors import AirrError, ConfigError
from analysis.shared.campaigns import Campaign, by_env, read_campaigns
from analysis.shared.style import GREY

FORMATS = ("png", "pdf", "both")
LONGEST_CELL = 4000
COLORS_ENOUGH = 96
RUNS_IN_A_SPREADSHEET = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A figure, and tables with the numbers in it; the one named "" takes the script's name."""

    figure: Figure
    tables: Mapping[str, pd.DataFrame]


Draw = Callable[[Sequence[Campaign], argparse.Namespace], Drawn]


class NothingToShow(AirrError):
    """The campaigns are there, but hold nothing of what this figure is about."""


def envs_with_outcomes(campaigns: Sequence[Campaign]) -> dict[str, list[Campaign]]:
    """Return by environment the campaigns of which an idea has come to an outcome.

    Raises:
        NothingToShow: there is none.
    """
    if found := by_env([one for one in campaigns if len(one.trials)]):
        return found
    raise NothingToShow("no idea of these campaigns has come to an outcome yet")


def envs_with_scores(campaigns: Sequence[Campaign]) -> dict[str, list[Campaign]]:
    """Return by environment the campaigns of which an idea has a score.

    Raises:
        NothingToShow: there is none.
    """
    if found := by_env([one for one in campaigns if len(one.scored)]):
        return found
    raise NothingToShow("no idea of these campaigns has a score yet")


def run(
    module: str,
    about: str | None,
    draw: Draw,
    argv: Sequence[str] | None,
    options: Callable[[argparse.ArgumentParser], None] = lambda _: None,
) -> None:
    """Run the script in the file `module`, whose docstring is `about`: it is the help.

    Exits with 2 and one message if the user can mend what is wrong, with 1 if the disk refused.
    """
    name = Path(module).stem
    asked = _parser(name, about or "", options).parse_args(argv)
    try:
        drawn = draw(read_campaigns(asked.campaigns), asked)
        for path in save(drawn, name, asked):
            print(path)
    except AirrError as error:
        sys.exit(_tell(name, str(error), status=2))
    except OSError as error:
        sys.exit(_tell(name, f"the file system refused: {error}", status=1))


def _parser(
    name: str, about: str, options: Callable[[argparse.ArgumentParser], None]
) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python analysis/{name}.py",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "campaigns", nargs="+", help="folders, names below runs/, or globs such as 'runs/*'"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("figures"), help="where files go (default: figures)"
    )
    parser.add_argument(
        "--format", choices=FORMATS, default="png", help="of the figure (default: png)"
    )
    options(parser)
    return parser


def by_option(parser: argparse.ArgumentParser) -> None:
    """Let the user say which campaigns are one line."""
    parser.add_argument(
        "--by",
        help="the setting whose values are the lines, such as search.name or llm.ideator.model; "
        "campaign: a line each. Default: campaigns that differ in their seed alone are one line, "
        "with a 95 %% interval",
    )


def references_option(parser: argparse.ArgumentParser) -> None:
    """Let the user bring lines to compare with."""
    parser.add_argument(
        "--references",
        type=Path,
        help="a YAML file of values to draw as lines (default: analysis/references.yaml)",
    )


def at_least_one(parser: argparse.ArgumentParser, flag: str, default: int, about: str) -> None:
    """Add an option that is a whole number of at least 1."""
    parser.add_argument(flag, type=_positive, default=default, help=f"{about} (default: {default})")


def _positive(said: str) -> int:
    value = int(said) if said.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{said} is no whole number above 0")
    return value


def share(said: str) -> float:
    """Return a number between 0 and 1, for argparse."""
    try:
        value = float(said)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{said} does not lie between 0 and 1")
    return value


def notes_of(campaigns: Sequence[Campaign]) -> str:
    """Return what a reader must know of where the numbers come from, in one line."""
    return "; ".join(dict.fromkeys(note for one in campaigns for note in one.notes))


def annotate(figure: Figure, campaigns: Sequence[Campaign]) -> None:
    """Write below a figure what its reader must know of where the numbers come from."""
    if notes := notes_of(campaigns):
        figure.supxlabel(notes, fontsize=6, color=GREY, x=0.01, ha="left")


def save(drawn: Drawn, name: str, asked: argparse.Namespace) -> list[Path]:
    """Write the figure and its tables; return the files."""
    folder: Path = asked.output
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--output {folder}: this is a file; name a folder")
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    if asked.format in ("png", "both"):
        files.append(_save_png(drawn.figure, folder / f"{name}.png"))
    if asked.format in ("pdf", "both"):
        path = folder / f"{name}.pdf"
        drawn.figure.savefig(path, metadata={"CreationDate": None})  # same numbers, same file
        files.append(path)
    for part, table in drawn.tables.items():
        path = folder / (f"{name}_{part}.csv" if part else f"{name}.csv")
        harmless(table).to_csv(path, index=False, lineterminator="\n")
        files.append(path)
    return files


def _save_png(figure: Figure, path: Path) -> Path:
    """Save in as many colours as a line drawing has, which makes it a third of the size."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    picture = Image.open(drawn).convert("RGB")
    picture.quantize(COLORS_ENOUGH, dither=Image.Dither.NONE).save(path, optimize=True)
    return path


def harmless(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which no text of a model is a formula for a spreadsheet, or endless."""
    return table.map(_harmless)


def _harmless(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    text = cell.encode("utf-8", "replace").decode().replace("\0", "")[:LONGEST_CELL]
    return f"'{text}" if text.startswith(RUNS_IN_A_SPREADSHEET) else text


def _tell(name: str, message: str, *, status: int) -> int:
    sys.stderr.write(f"{name}: {message}\n")
    return status
