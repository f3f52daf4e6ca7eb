"""What the commands for stores print: what was made, what is there, what is damaged."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import torch

from kinsight.sketching.law import SketchError
from kinsight.sketching.store import Store
from kinsight.store.check import SURPLUS, Damage
from kinsight.store.folder import StoreFolder
from kinsight.store.layout import COLUMNS, SAMPLES, SKETCH

_MOST_LISTED = 20
_MOST_SUSPECTED = 5


def sketched_text(store: Store, run: str) -> str:
    """What `sketch` left, and what to type next."""
    dim, apart = store.head["sketch"]["dim"], int(store.norms().isnan().sum())
    idle = int((store.norms() == 0).sum())
    said = f"{_count(apart, 'sample')} with a NaN or infinite gradient (column set_apart)"
    lines = [
        f"{_count(len(store), 'sample')}, S = {dim:,} numbers each, in {store.folder.path}: "
        f"{_count(len(store.folder.shards), 'shard')}, {size_text(total(store.folder))}",
        error_text(store.error),
        f"set apart: {said if apart else 'none'}",
    ]
    if idle:
        lines.append(f"without any gradient: {idle:,} (column norm is 0)")
    return "\n".join(
        [
            *lines,
            "",
            f"  {f'kinsight neighbours {run} --query 0':44s} the samples most like the first",
            f"  {f'kinsight survey {run}':44s} density, counts, neighbours, suspected labels",
            f"  {f'kinsight info {run}':44s} what the store is",
            f"  {f'kinsight verify {run}':44s} whether every byte is as it was written",
        ]
    )


def surveyed_text(store: Store, run: str) -> str:
    """What a survey found, in a few lines, and what to type next."""
    density = store.numbers("density")
    lines = [
        f"{_count(len(store), 'sample')}: columns {', '.join(store.folder.groups)} in "
        f"{store.folder.path}/{COLUMNS}",
        f"density: {float(density.nanmedian()):,.1f} in the median, "
        f"{float(density.nan_to_num(-torch.inf).max()):,.1f} at most",
    ]
    if "suspects" in store.folder.groups:
        lines += _suspected(store)
    shown = f"kinsight neighbours {run} --query 0"
    return "\n".join([*lines, "", f"  {shown:44s} the samples most like the first"])


def _suspected(store: Store) -> list[str]:
    """The labels that the others support least; real ones by how far off they are."""
    real = store.folder.column("label").type in (pa.float32(), pa.float64())
    score = store.numbers("label_off").abs() if real else store.numbers("suspect_score")
    order = score.double().nan_to_num(-1).argsort(descending=True, stable=True)[:_MOST_SUSPECTED]
    numbers = [int(i) for i in order if bool(score[i].isfinite())]
    contradicted = "" if real else _contradicted(store)
    lines = [f"labels{contradicted}; those that the others support least:"]
    given, proposed, ids = (
        store.folder.column(n).take(numbers) for n in ("label", "proposed_label", "id")
    )
    for i, one, other, name in zip(numbers, given, proposed, ids, strict=True):
        lines.append(
            f"  sample {i:,} ({name.as_py()}): {one.as_py()!r}, the others say "
            f"{_short(other.as_py())} ({float(score[i]):.3f})"
        )
    return lines


def _contradicted(store: Store) -> str:
    count = sum(bool(value) for value in store.folder.column("contradicted").to_pylist())
    return f": the others contradict {count:,}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else repr(value)


def info_text(folder: StoreFolder, run: str) -> str:
    """What a store is, line by line."""
    head = folder.head
    identity, sketch, plan = (_part(head, name) for name in ("identity", "sketch", "plan"))
    names = [str(name) for name in identity.get("parameters", [])]
    outputs = identity.get("outputs", "?")
    each = (
        f"a sample and one for each of its {outputs} outputs," if sketch.get("keep") else "a sample"
    )
    versions = _part(head, "versions")
    return "\n".join(
        [
            f"store          {run}: {progress_text(folder)}",
            f"sketches       one {each} of S = {sketch.get('dim')} numbers, seed "
            f"{sketch.get('seed')}",
            f"network        {str(identity.get('model'))[:12]}… (SHA-256 of its weights)",
            f"parameters     {_count(len(names), 'tensor')}: {_some(names, 4)}",
            f"output         {identity.get('output')}: D = {outputs}, normalization "
            f"{identity.get('normalization')}, {identity.get('dtype')}",
            f"error          {_error(head)}",
            f"columns        {_columns(folder)}",
            f"size           {_sizes(folder)}",
            f"made with      {', '.join(f'{n} {v}' for n, v in versions.items())}; "
            f"{head.get('processor')}; threads {plan.get('threads')}, micro-batch "
            f"{plan.get('micro_batch')}",
        ]
    )


def damage_text(found: Sequence[Damage]) -> str:
    """One line a file."""
    return "\n".join(f"✗ {damage.file}: {damage.what}" for damage in found)


def whole_text(folder: StoreFolder, run: str) -> str:
    """That every byte is as it was written."""
    return f"✓ {run}: {progress_text(folder)}; every byte is as it was written"


def repaired_text(found: Sequence[Damage], left: Sequence[Damage], made: Sequence[int]) -> str:
    """What was done about each damage, one line a file; ``made``: shards sketched again."""
    still = {damage.file for damage in left}
    lines = []
    for damage in found:
        again = damage.shard in made and not damage.file.startswith(COLUMNS)
        if damage.file in still:
            lines.append(
                f"! {damage.file}: {damage.what}; left alone, remove it if it is of no use"
            )
        elif damage.what == SURPLUS:
            lines.append(f"✓ {damage.file}: removed, what a killed writer left")
        else:
            done = "sketched again" if again else "made again from the other files"
            lines.append(f"✓ {damage.file}: {done}, the same bytes as before")
    return "\n".join(lines)


def error_text(error: SketchError) -> str:
    """How far similarities are off."""
    if not error.pairs:
        return "error of similarities: not measured, there was no pair to compare"
    return (
        f"similarities are off by {error.rms:.2g} (root mean square of {error.pairs:,} pairs "
        f"against the exact kernel; {error.largest:.2g} at most)"
    )


def size_text(size: int) -> str:
    """Bytes as a person reads them."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << power:
            return f"{size / (1 << power):.1f} {unit}"
    return f"{size} bytes"


def total(folder: StoreFolder) -> int:
    """Bytes of all files that hold rows."""
    return sum(_bytes(folder).values())


def _bytes(folder: StoreFolder) -> dict[str, int]:
    rooms = [SKETCH, SAMPLES, *(f"{COLUMNS}/{name}" for name in folder.groups)]
    return {room: sum(folder.place.files(room).values()) for room in rooms}


def _sizes(folder: StoreFolder) -> str:
    parts = ", ".join(f"{room} {size_text(size)}" for room, size in _bytes(folder).items())
    return f"{size_text(total(folder))}: {parts}"


def progress_text(folder: StoreFolder) -> str:
    """Finished with so many rows, or how far it is."""
    if folder.finished:
        return (
            f"finished, {_count(len(folder), 'row')} in {_count(len(folder.shards), 'shard')}"
            + (f", appended in {len(folder.segments)} parts" if len(folder.segments) > 1 else "")
        )
    if not folder.segments:
        return "begun, without rows yet"
    last = folder.segments[-1]
    step = int(folder.head["plan"]["shard_rows"])
    every, rows = sum(-(-s.rows // step) for s in folder.segments), folder.segments[-1].stop
    missing = folder.missing(last)
    left = sum(shard.rows for shard in missing)
    return (
        f"under way, {every - len(missing):,} of {every:,} shards, {rows - left:,} of {rows:,} rows"
    )


def _error(head: Mapping[str, Any]) -> str:
    try:
        said = error_text(SketchError(**_part(head, "error")))
    except (TypeError, ValueError):
        return "not said"
    merged = head.get("merged")
    return said + (f"; of the first of {len(merged)} merged stores" if merged else "")


def _columns(folder: StoreFolder) -> str:
    if not len(folder):
        return "none yet"
    first = folder.samples(folder.shards[0], None).column_names
    groups = [name if done else f"{name} (not finished)" for name, done in folder.groups.items()]
    return ", ".join(first) + (f"; beside them {', '.join(groups)}" if groups else "")


def _part(head: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = head.get(name)
    return value if isinstance(value, dict) else {}


def _some(names: Sequence[str], most: int = _MOST_LISTED) -> str:
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" + "s" * (count != 1)
