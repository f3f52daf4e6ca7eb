"""JSON that vouches for itself: written one way only, with a checksum of its own bytes."""

import hashlib
import json
import math
import re
from collections.abc import Iterator
from typing import Any

from kinsight.errors import StoreError
from kinsight.files import storable

_ZEROS = b"0" * 64
_HEAD, _TAIL = b'\n "checksum": "', b'"\n}\n'
_DIGEST = re.compile("[0-9a-f]{64}")
_DEEPEST = 40
_MOST_VALUES = 8_000_000  # in one file: a few bytes of text become tens of bytes of memory


def encode(fields: dict[str, Any]) -> bytes:
    """A JSON object as bytes; its last field is the SHA-256 of these bytes with 64 zeros there."""
    text = json.dumps(
        {**fields, "checksum": _ZEROS.decode()}, indent=1, ensure_ascii=False, allow_nan=False
    )
    content = (storable(text) + "\n").encode()
    body = content[: -len(_ZEROS + _TAIL)]
    return body + hashlib.sha256(content).hexdigest().encode() + _TAIL


def decode(content: bytes, where: str) -> dict[str, Any]:
    """What :func:`encode` wrote, if every byte is as it was written.

    Raises:
        StoreError: one altered byte, not JSON, nested too deep, too many values.
    """
    start = len(content) - len(_ZEROS + _TAIL)
    body, said = content[: max(start, 0)], content[max(start, 0) : -len(_TAIL)]
    digest = hashlib.sha256(body + _ZEROS + _TAIL).hexdigest().encode()
    if not (body.endswith(_HEAD) and content.endswith(_TAIL) and said == digest):
        raise StoreError(
            f"{where}: its bytes are not those that were written: the checksum it ends with is "
            "another; verify() lists what is damaged, repair() restores it"
        )
    value = parse(content, where)
    value.pop("checksum")
    return value


def parse(content: bytes, where: str) -> dict[str, Any]:
    """A JSON object from untrusted bytes: finite numbers, bounded depth and number of values."""
    try:
        if content.count(b",") + content.count(b"[") + content.count(b"{") > _MOST_VALUES:
            raise ValueError("too many values")
        value = json.loads(content.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{where}: expected JSON, got something else: {error}") from error
    if not isinstance(value, dict):
        raise StoreError(f"{where}: expected a JSON object, got {type(value).__name__}")
    _check_numbers_and_depth(value, where)
    return value


def normalized(name: str, value: Any) -> dict[str, Any]:
    """An object as it will be read again, its keys sorted: lists for tuples, text that UTF-8 holds.

    Raises:
        StoreError: something in it is not JSON.
    """
    try:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"{name}: expected what JSON can hold, got: {error}") from error
    return parse(storable(text).encode(), name)


def compact(value: dict[str, Any]) -> bytes:
    """An object on one line with sorted keys: what its digest is taken of."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return storable(text).encode()


def digest_of(value: dict[str, Any]) -> str:
    """SHA-256 of :func:`compact`."""
    return hashlib.sha256(compact(value)).hexdigest()


def differences(there: Any, asked: Any, name: str = "") -> Iterator[str]:
    """One sentence for each field that two objects do not share, by its dotted name."""
    if isinstance(there, dict) and isinstance(asked, dict):
        for key in sorted(there.keys() | asked.keys()):
            inner = f"{name}.{key}" if name else key
            yield from differences(there.get(key), asked.get(key), inner)
    elif _shown(there) != _shown(asked):
        yield f"{name} is {_shown(there):.80} there and {_shown(asked):.80} here"


def is_digest(value: Any) -> bool:
    """Whether a value is a SHA-256 in hexadecimal digits."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def whole(value: Any, low: int, high: int, where: str) -> int:
    """``value`` if it is an integer within a range, else a StoreError."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise StoreError(f"{where}: expected a whole number of {low} to {high}, got {value!r:.60}")
    return value


def text(value: Any, where: str, longest: int = 1000) -> str:
    """``value`` if it is text of bounded length, else a StoreError."""
    if not isinstance(value, str) or len(value) > longest:
        raise StoreError(f"{where}: expected text of at most {longest} letters, got {value!r:.60}")
    return value


def mapping(value: Any, where: str) -> dict[str, Any]:
    """``value`` if it is an object, else a StoreError."""
    if not isinstance(value, dict):
        raise StoreError(f"{where}: expected an object, got {value!r:.60}")
    return value


def sequence(value: Any, where: str) -> list[Any]:
    """``value`` if it is a list, else a StoreError."""
    if not isinstance(value, list):
        raise StoreError(f"{where}: expected a list, got {value!r:.60}")
    return value


def _shown(value: Any) -> str:
    return "absent" if value is None else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _check_numbers_and_depth(value: Any, where: str) -> None:
    layer = [value]
    for _ in range(_DEEPEST):
        inner = []
        for one in layer:
            inner += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
            if isinstance(one, float) and not math.isfinite(one):
                raise StoreError(f"{where}: expected finite numbers, got {one}")
        if not inner:
            return
        layer = inner
    raise StoreError(f"{where}: expected objects at most {_DEEPEST} deep")
