"""Files that stand by themselves: prices, settings, archives, and what jobs on a policy leave."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from airr.archives import LIMIT_BYTES, BadArchive
from airr.composition import compositions
from airr.errors import AirrError
from airr.executor import codebases
from airr.foreign import json_in
from airr.legs import read_legs
from airr.llm.catalogue import Catalogue
from airr.llm.prices import load_prices, usd_of
from airr.llm.protocol import Usage
from airr.parsing import parse_config
from airr.policy.checkpoints import is_whole, verify
from airr.policy.orders import Order, StageKind, read_order, result_in
from airr.policy.rollouts import Group, Rollout, read_group, write_group
from airr.policy.stages import last_failure, orders_in
from airr.prepared import missing_in
from airr.resources import resource
from airr.tracking.sent import Sent
from airr.worker.unpack import unpack
from tests.fuzz.target import JSON_WORDS, YAML_WORDS, Refused, Target, own_folder
from tests.policy.builders import POLICY, RL

PRICES = resource("conf") / "prices.yaml"
SOME_USAGE = Usage(input_tokens=5, output_tokens=7)


def _legs(data: bytes) -> None:
    with own_folder() as folder:
        path = folder / "legs.json"
        path.write_bytes(data)
        for leg in read_legs(path):
            assert leg.started_at >= leg.started_at


def _prices(data: bytes) -> None:
    with own_folder() as folder:
        path = folder / "prices.yaml"
        path.write_bytes(data)
        table = load_prices(PRICES, path)
        for model in (*table, "gpt-6-sol-2026-01-01"):
            usd = usd_of(model, SOME_USAGE, table)
            assert usd is None or usd >= 0, "a price bounds what is spent"


def _entry(data: bytes) -> None:
    with own_folder() as folder:
        (folder / "idea.yaml").write_bytes(data)
        Catalogue.read(folder)


def _entries() -> list[bytes]:
    folder = resource("envs") / "nanogpt" / "catalogue"
    return [(folder / f"{name}.yaml").read_bytes() for name in ("muon", "qk_norm")]


def _checkpoint(data: bytes) -> None:
    with own_folder() as folder:
        (folder / "weights").write_bytes(b"12345")
        (folder / "manifest.json").write_bytes(data)
        is_whole(folder)
        verify(folder)


def _rollouts(data: bytes) -> None:
    with own_folder() as folder:
        path = folder / "rollouts.parquet"
        path.write_bytes(data)
        for one in read_group(path).rollouts:
            assert isinstance(one.text, str)


def _rollout_seeds() -> list[bytes]:
    one = Rollout(
        place=0, tokens=(5, 6), logprobs=(-0.5, -1.0), thinking="so", text="[E]",
        thinking_tokens=1, finished=True,
    )  # fmt: skip
    with TemporaryDirectory() as made:
        path = Path(made) / "rollouts.parquet"
        write_group(path, Group(prompt=(1, 2), rollouts=(one,)))
        return [path.read_bytes()]


def _order(data: bytes) -> None:
    with own_folder() as folder:
        for name in ("order-0.json", "order-x.json", "result.json", "failure-0.json"):
            (folder / name).write_bytes(data)
        for read in (orders_in, last_failure, result_in):
            try:
                read(folder)
            except AirrError:
                continue
        read_order(folder / "order-0.json")


def _order_seeds() -> list[bytes]:
    order = Order(
        name="airr-abc-e00", kind=StageKind.SAMPLE, folder="/x", attempt=0, model="/m",
        checkpoint=None, product="/x/rollouts.parquet", seed=0, count=4, messages=(), lessons=(),
        policy=POLICY, rl=RL,
    )  # fmt: skip
    result = {"started_at": 1.0, "ended_at": 2.0, "gpu_seconds": 1.0, "numbers": {"loss": 1.0}}
    return [
        order.to_json().encode(), json.dumps(result).encode(), b'{"how": "oom", "log": "x"}',
    ]  # fmt: skip


def _data_manifest(data: bytes) -> None:
    with own_folder() as folder:
        (folder / "manifest.json").write_bytes(data)
        missing_in(folder)


def _sent(data: bytes) -> None:
    with own_folder() as folder:
        digest = hashlib.sha256(b"x").hexdigest()[:8]
        (folder / f"sent-{digest}.txt").write_bytes(data)
        sent = Sent(folder, "x")
        sent.add("e00-i000")
        assert "e00-i000" in Sent(folder, "x")


def _archive(data: bytes) -> None:
    with own_folder() as folder:
        packed = folder / "e00-i000.zip"
        packed.write_bytes(data)
        try:
            tree = codebases.unpack(data)
        except BadArchive:
            tree = None
        unpack(packed, hashlib.sha256(data).hexdigest(), folder / "tree")
        made = sum(
            len(path.read_bytes()) for path in (folder / "tree").rglob("*") if path.is_file()
        )
        assert made <= LIMIT_BYTES, "what is unpacked is bounded"
        assert tree is None or len(tree) < 10_000


def _archives() -> list[bytes]:
    tree = {"train.py": "x = 1\n" * 30, "model/net.py": "y = 2\n"}
    link = io.BytesIO()
    with zipfile.ZipFile(link, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
        archive.writestr("a/../../escaped.py", "x")
        archive.writestr("/tmp/escaped.py", "x")
    return [codebases.pack(tree), codebases.pack({"a": ""}), link.getvalue()]


@cache
def _config() -> bytes:
    raw = compositions("evolve", ["llm=offline", "cluster=local"])[0]
    return json.dumps({key: raw[key] for key in raw.keys() - {"fork", "once"}}).encode()


def _settings(data: bytes) -> None:
    try:
        raw = json_in(data)
    except ValueError as error:
        raise Refused from error
    parse_config(raw)


TARGETS = (
    Target(
        name="settings",
        reads=("airr.parsing.parse_config",),
        read=_settings,
        seeds=lambda: (_config(),),
        refusals=(AirrError, Refused),
        words=JSON_WORDS,
    ),
    Target(
        name="legs",
        reads=("airr.legs.read_legs",),
        read=_legs,
        seeds=lambda: (b'[{"job_id": "7", "started_at": 1.0, "progress": "-", "ended_at": null}]',),
        words=JSON_WORDS,
    ),
    Target(
        name="prices",
        reads=("airr.llm.prices.load_prices", "airr.plain_yaml.yaml_in"),
        read=_prices,
        seeds=lambda: (
            b"gpt-6-sol: {input: 2.00, cache_write: 2.50, cache_read: 0.20, output: 10}\n",
        ),
        words=YAML_WORDS,
    ),
    Target(
        name="catalogue_entry",
        reads=("airr.llm.catalogue.Catalogue.read",),
        read=_entry,
        seeds=_entries,
        words=YAML_WORDS,
    ),
    Target(
        name="policy_checkpoint",
        reads=("airr.policy.checkpoints.is_whole", "airr.policy.checkpoints.verify"),
        read=_checkpoint,
        seeds=lambda: (
            json.dumps({"weights": [5, hashlib.sha256(b"12345").hexdigest()]}).encode(),
        ),
        words=(*JSON_WORDS, b'"../x"', b'"a\\u0000b"'),
    ),
    Target(
        name="rollouts",
        reads=("airr.policy.rollouts.read_group",),
        read=_rollouts,
        seeds=_rollout_seeds,
        words=(b"PAR1", b"prompt_tokens"),
    ),
    Target(
        name="policy_orders",
        reads=(
            "airr.policy.orders.read_order",
            "airr.policy.orders.result_in",
            "airr.policy.stages.last_failure",
        ),
        read=_order,
        seeds=_order_seeds,
        words=JSON_WORDS,
    ),
    Target(
        name="data_manifest",
        reads=("airr.prepared.missing_in",),
        read=_data_manifest,
        seeds=lambda: (b'{"shards": ["a.bin"], "files": [], "source": "x"}',),
        words=JSON_WORDS,
    ),
    Target(
        name="sent",
        reads=("airr.tracking.sent.Sent",),
        read=_sent,
        seeds=lambda: (b"# sent to x\ne00-i000.r0.a0\n",),
    ),
    Target(
        name="archive",
        reads=(
            "airr.archives.files_in",
            "airr.worker.unpack.unpack",
            "airr.executor.codebases.unpack",
        ),
        read=_archive,
        seeds=_archives,
        refusals=(BadArchive, OSError),
        words=(b"PK\x03\x04", b"PK\x01\x02", b"../", b"\xff\xff\xff\xff", b"\x0c\x00", b"\x01\x00"),
    ),
)
