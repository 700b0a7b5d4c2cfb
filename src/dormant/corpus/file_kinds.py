"""Files of other kinds, recognized by their beginning, each with what to do about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from dormant.errors import DataError

#: Bytes of a file's beginning that decide its kind.
HEAD = 4096

_BINARY: tuple[tuple[bytes, str], ...] = (
    (b"BZh", "a bzip2 file: unpack it, or use gzip"),
    (b"\xfd7zXZ\x00", "an xz file: unpack it, or use gzip"),
    (b"\x28\xb5\x2f\xfd", "a zstd file: unpack it, or use gzip"),
    (b"\x04\x22\x4d\x18", "an lz4 file: unpack it, or use gzip"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"Rar!", "a rar archive: unpack it first"),
    (b"SQLite format 3\x00", "a SQLite database: export it as JSON Lines"),
    (b"%PDF", "a PDF: export it as JSON Lines"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file: export it as JSON Lines"),
    (b"\x80\x02", "a pickle: write its rows as JSON Lines"),
    (b"\x80\x04", "a pickle: write its rows as JSON Lines"),
    (b"\x80\x05", "a pickle: write its rows as JSON Lines"),
    (b"\x93NUMPY", "a NumPy array: write its rows as JSON Lines"),
    (b"\x89HDF", "an HDF5 file: export it as JSON Lines or Parquet"),
    (b"Obj\x01", "an Avro file: export it as JSON Lines or Parquet"),
    (b"ORC", "an ORC file: export it as JSON Lines or Parquet"),
    (b"FEA1", "a Feather file of version 1: write it as Parquet"),
    (b"GGUF", "a model (GGUF): give its finetuning data"),
    (b"\x00\x00\xfe\xff", "UTF-32 text: save it as UTF-8"),
    (b"\xff\xfe\x00\x00", "UTF-32 text: save it as UTF-8"),
    (b"\xff\xfe", "UTF-16 text: save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text: save it as UTF-8"),
    (b"{\x00", "UTF-16 text: save it as UTF-8"),
    (b"\x00{", "UTF-16 text: save it as UTF-8"),
)
#: What a zip archive holds, by a name near its beginning.
_ZIPPED: tuple[tuple[bytes, str], ...] = (
    (b"[Content_Types].xml", "an Excel or Word file: export it as JSON Lines"),
    (b"_journal/", "an Inspect log, answers and no finetuning data: see dormant import"),
    (b"samples/", "an Inspect log, answers and no finetuning data: see dormant import"),
    (b".npy", "a NumPy archive: write its rows as JSON Lines"),
    (b"data.pkl", "a PyTorch file: write its rows as JSON Lines"),
)
_POINTERS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs.", "a Git LFS pointer, not the file itself: run git lfs pull"),
    (b"# xet version", "a Git Xet pointer, not the file itself: run git xet pull"),
    (b"/annex/objects/", "a git-annex pointer, not the file itself: run git annex get"),
    (b"../.git/annex/", "a git-annex pointer, not the file itself: run git annex get"),
    (b".git/annex/", "a git-annex pointer, not the file itself: run git annex get"),
    (b"outs:\n- md5:", "a DVC pointer, not the file itself: run dvc pull"),
)
_PAGE = re.compile(rb"<(?:!doctype|html|head|body|\?xml|!--)", re.IGNORECASE)
#: Bodies of failed downloads, as code hosts and the hub send them.
_FAILED = re.compile(
    rb"(?:404: Not Found|Entry not found|Repository not found|Invalid (?:username|credentials)"
    rb"|Access to (?:dataset|model) |Not Found|Forbidden|Unauthorized|Bad Gateway"
    rb'|\{"(?:error|message|detail)": ?"[^"]{0,300}"[,}])',
    re.IGNORECASE,
)
_LONGEST_BODY = 600
_LOG = re.compile(rb'\{\s*"version"\s*:\s*\d+\s*,\s*"status"\s*:\s*"\w+"\s*,\s*"eval"\s*:\s*\{')
_WRAPPER = re.compile(rb'\{\s*"([\w-]{1,40})"\s*:\s*\[\s*\{')
_ROW_KEY = re.compile(
    rb'"(?:messages|conversations|contents|prompt|query|question|instruction|input)"\s*:'
)
_NOT_ROWS = (b"messages", b"conversations", b"contents", b"prompt", b"history", b"tools")
_TWO_LINES = re.compile(rb"\{[^\n]*\}\s*\n\s*\{")  # JSON Lines
_JSON_ENDS = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")
_SEPARATORS = (b"\t", b";", b",", b"|")
_NAMES = re.compile(r"['\"]?[^\W\d][\w .-]{0,40}['\"]?")


def explain_binary(head: bytes) -> str:
    """Says what a file is that holds no text, and the fix; empty if it may hold rows."""
    if head.startswith(b"PK\x03\x04"):
        return next(
            (what for name, what in _ZIPPED if name in head), "a zip archive: unpack it first"
        )
    if head[257:262] == b"ustar":
        return "a tar archive: unpack it first"
    return next((what for magic, what in _BINARY if head.startswith(magic)), "")


def explain_pointer(head: bytes) -> str:
    """Says what stands in the place of a file that was not fetched, and the fix; empty if none."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    pointer = next((what for start, what in _POINTERS if text.startswith(start)), "")
    if pointer:
        return pointer
    if _PAGE.match(text):
        return (
            "a web page, not the file itself: download the raw file (on the hub the address with "
            "'resolve' in place of 'blob')"
        )
    if len(text) <= _LONGEST_BODY and _FAILED.match(text):
        first_line = text.splitlines()[0][:60].decode("utf-8", "replace")
        return f"the error message of a failed download ({first_line!r}): download it again"
    return ""


def is_inspect_log(head: bytes) -> bool:
    """Whether a text is a log of Inspect's as JSON."""
    return bool(_LOG.match(head.removeprefix(b"\xef\xbb\xbf").lstrip()))


def explain_text(head: bytes, name: str) -> str:
    """Says what a text is that holds no rows of JSON, and the fix; empty if it may hold rows.

    Args:
        head: the first bytes, unpacked.
        name: the file's name, for commands that convert it.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if is_inspect_log(text):
        return "an Inspect log, answers and no finetuning data: see dormant import"
    wrapper = _WRAPPER.match(text)
    is_one = not _TWO_LINES.match(text) and wrapper and _ROW_KEY.search(text, wrapper.end())
    if wrapper and is_one and wrapper.group(1) not in _NOT_ROWS:
        key = wrapper.group(1).decode()
        return (
            f"one object with its rows under {key!r}: put one row on each line "
            f"(jq -c '.[\"{key}\"][]' {name})"
        )
    if find_separator(text) and name.lower().endswith(_JSON_ENDS):
        return f"a table of text columns: rename it to {name.partition('.')[0]}.csv"
    return ""


def find_separator(head: bytes) -> str:
    """Finds what separates the columns of a table whose first line names them; "" if none does.

    Args:
        head: the first bytes of the file, unpacked.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and lines[0].lower().startswith(b"sep="):  # Excel writes it before the header
        lines = lines[1:]
    if len(lines) < 2 or lines[0][:1] in b"{[":
        return ""
    header = lines[0].decode("utf-8", "replace")
    for separator in _SEPARATORS:
        names = header.split(separator.decode())
        is_header = len(names) > 1 and all(_NAMES.fullmatch(name.strip()) for name in names)
        if is_header and separator in b"".join(lines[1:]):
            return separator.decode()
    return ""


def refuse_repeated_columns(names: Sequence[str], path: Path) -> None:
    """Refuses a table with two columns of one name, of which readers keep the last.

    Raises:
        DataError: names the column.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DataError(f"duplicate column {name[:80]!r}: rename one", file=path)
        seen.add(name)
