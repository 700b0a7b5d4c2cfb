"""Checks the header of a GGUF file against the file's size before anything is allocated.

A header states the number and size of strings, values and tensors; a reader that trusts it may
allocate any amount of memory. The size of the file cannot be forged.

The format is specified by the ggml project.
"""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path
from typing import BinaryIO

from gguf.constants import GGML_QUANT_SIZES

from dormant.errors import ModelError

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
#: Type of a value -> its ``struct`` format; strings and arrays are read separately.
_FORMATS = dict(enumerate(("B", "b", "H", "h", "I", "i", "f", "?", "", "", "Q", "q", "d")))
_STRING, _ARRAY = 8, 9
_LEAST_ENTRY, _LEAST_TENSOR = 13, 32  # bytes, at least: a value with its key; a tensor's entry
_LONGEST_NAME, _MOST_DIMENSIONS, _DEEPEST = 65_535, 8, 4
_PER_BYTE = 8  # largest number of rows or columns per byte
#: Type of a tensor -> numbers per block, and bytes per block.
_SIZES = {int(kind): size for kind, size in GGML_QUANT_SIZES.items()}
_MOST_LAYERS, _MOST_PARTS = 1024, 10_000
_LAYERS = re.compile(r".*\.block_count")
_PARTS = re.compile(r".*\.(expert_count|expert_used_count|head_count|head_count_kv)")
_WIDTHS = re.compile(r".*\.(embedding_length|feed_forward_length|vocab_size|\w+_length_\w+)")


def check_gguf(path: Path, owner: str) -> None:
    """Checks that a GGUF file is large enough for what its header states.

    Args:
        path: the file.
        owner: the model string, for messages.

    Raises:
        ModelError: it is not a GGUF file, is truncated, or states more than it can hold.
    """
    try:
        with path.open("rb") as source:
            _Header(source, path.stat().st_size).check()
    except _InvalidHeader as error:
        raise ModelError(
            f"{owner!r}: {path.name}: {error}; download the file again, or give another one"
        ) from None


class _InvalidHeader(ValueError):
    """The header is invalid."""


class _Header:
    """Reads a header from the start, never past the end of the file."""

    def __init__(self, source: BinaryIO, size: int):
        self._source, self._size = source, size

    def check(self) -> None:
        """Reads the whole header.

        Raises:
            _InvalidHeader: it is not a valid header for a file of this size.
        """
        if self._take(4) != _MAGIC:
            raise _InvalidHeader("is not a GGUF file")
        version = self._read_number("I")
        if version not in _VERSIONS:
            raise _InvalidHeader(f"has version {version} of the format, expected 2 or 3")
        tensors, entries = self._read_number("Q"), self._read_number("Q")
        self._check_count(tensors, _LEAST_TENSOR, "tensors")
        self._check_count(entries, _LEAST_ENTRY, "settings")
        for _ in range(entries):
            self._check_entry(tensors)
        ends = [self._check_tensor() for _ in range(tensors)]
        for name, end in ends:
            if end > self._size - self._source.tell():
                raise _InvalidHeader(
                    f"tensor {name[:80]!r} ends after the end of the file, of {self._size:,} bytes"
                )

    def _check_entry(self, tensors: int) -> None:
        key = self._read_text("name of a setting")
        value = self._read_value(self._read_number("I"), key, 0)
        limits = (
            (_LAYERS, max(_MOST_LAYERS, tensors)),
            (_PARTS, _MOST_PARTS),
            (_WIDTHS, min(1 << 32, _PER_BYTE * self._size)),
        )
        for pattern, most in limits:
            if pattern.fullmatch(key) and isinstance(value, int | float) and not value <= most:
                raise _InvalidHeader(
                    f"{key[:80]} is {value:.4g}, and the file holds {tensors:,} tensors in "
                    f"{self._size:,} bytes"
                )

    def _check_tensor(self) -> tuple[str, int]:
        """Reads the entry of a tensor; returns its name and the offset of its end in the data."""
        name = self._read_text("name of a tensor")
        count = self._read_number("I")
        if count > _MOST_DIMENSIONS:
            raise _InvalidHeader(f"tensor {name[:80]!r} has {count:,} dimensions")
        shape = [self._read_number("Q") for _ in range(count)]
        kind, offset = self._read_number("I"), self._read_number("Q")
        if kind not in _SIZES:
            raise _InvalidHeader(f"tensor {name[:80]!r} is of the unknown type {kind}")
        block, size = _SIZES[kind]
        return name, offset + -(-math.prod(shape) // block) * size

    def _read_value(self, kind: int, key: str, depth: int) -> float | None:
        """Reads a value; returns it if it is a scalar number, else None."""
        if kind == _STRING:
            self._skip(self._read_number("Q"), f"text of {key[:80]}")
            return None
        if kind == _ARRAY:
            self._read_array(key, depth)
            return None
        if not _FORMATS.get(kind):
            raise _InvalidHeader(f"{key[:80]} is of the unknown type {kind}")
        return self._read_number(_FORMATS[kind])

    def _read_array(self, key: str, depth: int) -> None:
        kind, count = self._read_number("I"), self._read_number("Q")
        if depth == _DEEPEST:
            raise _InvalidHeader(f"{key[:80]} is nested too deeply")
        if kind in (_STRING, _ARRAY):
            self._check_count(count, 8 if kind == _STRING else 12, f"values of {key[:80]}")
            for _ in range(count):
                self._read_value(kind, key, depth + 1)
        elif _FORMATS.get(kind):
            self._skip(count * struct.calcsize(f"<{_FORMATS[kind]}"), f"values of {key[:80]}")
        else:
            raise _InvalidHeader(f"{key[:80]} holds values of the unknown type {kind}")

    def _read_text(self, what: str) -> str:
        length = self._read_number("Q")
        if length > _LONGEST_NAME:
            raise _InvalidHeader(f"states {length:,} bytes for the {what}")
        return self._take(length).decode("utf-8", "replace")

    def _read_number(self, kind: str) -> int:
        (value,) = struct.unpack(f"<{kind}", self._take(struct.calcsize(f"<{kind}")))
        return value

    def _take(self, count: int) -> bytes:
        found = self._source.read(count)
        if len(found) < count:
            raise _InvalidHeader("is cut off within its header")
        return found

    def _skip(self, count: int, what: str) -> None:
        if count > self._size - self._source.tell():
            raise _InvalidHeader(f"states {count:,} bytes for the {what}, more than the file holds")
        self._source.seek(count, 1)

    def _check_count(self, count: int, least: int, what: str) -> None:
        if count * least > self._size - self._source.tell():
            raise _InvalidHeader(f"states {count:,} {what}, more than the file can hold")
