"""Documents in a fixed order, from FineWeb or from local files, and from any place on again.

Both go through the `datasets` library, with another builder: what a test does with Parquet files
is what a download does, but for where the bytes come from.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FINEWEB = "fineweb"
HUB = {"path": "HuggingFaceFW/fineweb", "name": "sample-10BT"}
BUILDERS = {".parquet": "parquet", ".jsonl": "json", ".json": "json", ".txt": "text"}
DOCUMENTS_AT_ONCE = 512

State = dict[str, Any]
"""A place in the order of documents, as plain JSON; {} is the beginning."""


class NoCorpus(Exception):
    """There are no documents to be had; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some documents, and the place in the corpus where they begin."""

    texts: list[str]
    state: State


class Corpus:
    """The documents of one source."""

    def __init__(self, source: str, column: str):
        """Take `source` as FineWeb, or as a file or folder; `column` holds a document's text."""
        self.source = source
        self._column = column
        self._arguments = HUB if source == FINEWEB else _local_files(Path(source))

    def batches(self, state: State) -> Iterator[Batch]:
        """Yield all documents from a place on.

        Raises:
            NoCorpus: the source cannot be read.
        """
        # quick to import only where it is needed, and needed only here
        from datasets import load_dataset  # noqa: PLC0415
        from datasets.exceptions import DatasetsError  # noqa: PLC0415

        try:
            dataset = load_dataset(**self._arguments, split="train", streaming=True)
            dataset = dataset.select_columns([self._column])
            if state:
                dataset.load_state_dict(state)
            with closing(iter(dataset.iter(DOCUMENTS_AT_ONCE))) as rows:
                while True:
                    here = copy.deepcopy(dataset.state_dict())
                    batch = next(rows, None)
                    if batch is None:
                        return
                    yield Batch([text or "" for text in batch[self._column]], here)
        except (DatasetsError, OSError, ValueError, KeyError) as error:
            raise NoCorpus(self._explained(error)) from error

    def _explained(self, error: Exception) -> str:
        if self.source != FINEWEB:
            return f"{self.source} cannot be read: {type(error).__name__}: {error}"
        return (
            f"FineWeb cannot be read from huggingface.co: {type(error).__name__}: {error}\n"
            "What was done is kept; run this command again where the internet can be reached. "
            "Elsewhere, prepare.source=PATH takes .parquet, .jsonl or .txt files with text in them."
        )


def _local_files(source: Path) -> dict[str, Any]:
    """Return what loads a file, or every file of one kind below a folder, in order of path."""
    found = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file())
    by_builder: dict[str, list[str]] = {}
    for path in found:
        if builder := BUILDERS.get(path.suffix):
            by_builder.setdefault(builder, []).append(str(path))
    if len(by_builder) != 1:
        kinds = ", ".join(sorted(BUILDERS))
        what = f"both {' and '.join(sorted(by_builder))} files" if by_builder else "none"
        raise NoCorpus(
            f"prepare.source={source} must hold files of one kind of {kinds}: found {what}"
        )
    ((builder, files),) = by_builder.items()
    whole = {"sample_by": "document"} if builder == "text" else {}
    return {"path": builder, "data_files": files, **whole}
