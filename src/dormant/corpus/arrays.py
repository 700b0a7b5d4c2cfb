"""Streaming a JSON file that is one array of rows, element by element.

Alpaca's and ShareGPT's files are published like this, often pretty-printed and too large to parse
at once. Only brackets, commas and quotes are scanned here; each element is parsed by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dormant.corpus.lines import LARGEST_LINE, Digest, open_file
from dormant.errors import DataError, RowError

_BLOCK = 1 << 16  # bytes read at once; small, since each element copies the rest of its block
_SIGN = re.compile(rb'["{}\[\],]')
_IN_STRING = re.compile(rb'["\\]')
_SPACE = b" \t\r\n"


def is_array(head: bytes) -> bool:
    """Whether a text begins with an array (of rows on several lines, or of objects).

    False for a file of one array on each line, which is read as JSON Lines.
    """
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip(_SPACE)
    return first[:1] == b"[" and first[1:].lstrip(_SPACE)[:1] in (b"{", b"]", b"")


def read_elements(path: Path, digest: Digest) -> Iterator[tuple[int, bytes | RowError]]:
    """Yields (1-based number, the element's bytes), and an error if the array ends early.

    Raises:
        DataError: the file cannot be read, an element is too large, or something follows the array.
    """
    cutter = _Cutter()
    with open_file(path) as stream:
        digest.follow_file(stream, path)
        while block := stream.read(_BLOCK):
            digest.update(block)
            if cutter.number == 0 and not cutter.depth:
                block = block.removeprefix(b"\xef\xbb\xbf")
            yield from cutter.add_block(block)
            if len(cutter.rest) > LARGEST_LINE:
                size = LARGEST_LINE // 1024**2
                reason = f"a row of more than {size} MiB in the array: put one row on each line"
                raise DataError(reason, file=path, line=cutter.number + 1)
            if cutter.has_trailing:
                reason = "extra data after the array: put one object on each line, or one array"
                raise DataError(reason, file=path, line=cutter.number)
    if cutter.depth:
        yield cutter.number + 1, RowError("the array ends early: check that the file is complete")


class _Cutter:
    """Scanner over an array. ``rest`` holds the bytes of the element that is being read."""

    def __init__(self):
        self.rest = b""
        self.at = 0  # bytes of rest that have been scanned
        self.depth = 0  # open brackets; 1 between the elements
        self.in_string = False
        self.number = 0
        self.closed = False

    @property
    def has_trailing(self) -> bool:
        """Whether anything but white space follows the array."""
        return self.closed and bool(self.rest.strip())

    def add_block(self, block: bytes) -> Iterator[tuple[int, bytes | RowError]]:
        """Adds bytes and yields the elements that end in them."""
        self.rest += block
        while not self.closed:
            sign = (_IN_STRING if self.in_string else _SIGN).search(self.rest, self.at)
            if sign is None:
                self.at = len(self.rest)
                return
            if sign.group() == b"\\":
                if sign.end() == len(self.rest):  # the escaped character is in the next block
                    self.at = sign.start()
                    return
                self.at = sign.end() + 1
                continue
            self.at = sign.end()
            element = self._read_sign(sign.group())
            if element is not None:
                self.number += 1
                yield self.number, element

    def _read_sign(self, sign: bytes) -> bytes | RowError | None:
        """Handles a bracket, comma or quote; returns the element that it ends, or None."""
        if sign == b'"':
            self.in_string = not self.in_string
        elif sign in b"{[":
            self.depth += 1
            if self.depth == 1:
                self._drop_read()
        elif sign in b"}]":
            self.depth -= 1
            self.closed = self.depth == 0
        if sign == b"," and self.depth == 1 or self.closed:
            element = self.rest[: self.at - 1].strip(_SPACE)
            self._drop_read()
            if not element and not self.closed:
                return RowError("empty element before a comma of the array: remove the comma")
            return element or None  # [] or a comma before the end
        return None

    def _drop_read(self) -> None:
        self.rest, self.at = self.rest[self.at :], 0
