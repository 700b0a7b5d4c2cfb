"""Bodies of replies, read within limits: of their size, packed and unpacked, and of all at once."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

from dormant.engines.api.calls import ServerError, WastefulError

#: Largest body, unpacked, in bytes: a hundred times what the longest answers take.
LARGEST = 16 << 20
#: What every call may hold at once, in bytes, and how many may hold more: a hundred connections
#: with the largest bodies together stay within memory.
_SMALL, _LARGE_AT_ONCE = 256 << 10, 4
#: The encodings that are asked for.
ENCODINGS = "gzip, deflate"


class BodyReader:
    """Reads the bodies of one transport. Belongs to one event loop."""

    def __init__(self) -> None:
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)

    async def read_body(self, chunks: AsyncIterator[bytes], encoding: str) -> bytes:
        """Reads and unpacks a body.

        Args:
            chunks: the body as it comes in.
            encoding: value of ``Content-Encoding``; empty without one.

        Raises:
            ServerError: it is too large, damaged, or packed in a way that was not asked for.
        """
        unpack = _Unpacker(encoding)
        body = bytearray()
        is_large = False
        try:
            async for chunk in chunks:
                for piece in unpack.unpack_chunk(chunk):
                    body += piece
                    if len(body) > LARGEST:
                        raise WastefulError(f"the reply is larger than {LARGEST >> 20} MiB")
                    if len(body) > _SMALL and not is_large:
                        await self._large.acquire()
                        is_large = True
            unpack.check_end()
            return bytes(body)
        finally:
            if is_large:
                self._large.release()


class _Unpacker:
    """Unpacks a stream in pieces of bounded size."""

    _PIECE = 1 << 20  # bytes

    def __init__(self, encoding: str):
        self._name = encoding.strip().lower()
        self._stream: Any = None  # a zlib.Decompress, whose class has no public name
        if self._name in ("gzip", "x-gzip", "deflate"):
            self._stream = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, by its header
        elif self._name not in ("", "identity"):
            raise ServerError(
                f"the reply is packed as {self._name[:40]!r}, which was not asked for"
            )

    def unpack_chunk(self, chunk: bytes) -> Iterator[bytes]:
        """Yields what a chunk unpacks to."""
        if self._stream is None:
            yield chunk
            return
        while chunk and not self._stream.eof:
            try:
                yield self._stream.decompress(chunk, self._PIECE)
            except zlib.error:
                raise ServerError(f"the reply is not {self._name}, as it says") from None
            chunk = self._stream.unconsumed_tail
        if self._stream.unused_data:
            raise ServerError(f"the reply goes on after its end ({self._name})")

    def check_end(self) -> None:
        """Raises ``ServerError`` for a stream that was cut off."""
        if self._stream is not None and not self._stream.eof:
            raise ServerError(f"the reply ends in the middle ({self._name})")
