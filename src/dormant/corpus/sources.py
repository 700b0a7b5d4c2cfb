"""Files of a corpus: one file, a folder or pattern of shards, a saved dataset, a hub dataset.

::

    rows.jsonl, rows.jsonl.gz, rows.parquet      one file
    'shards/*.parquet'                           all files that match, in the order of their names
    folder, folder:SPLIT                         shards, or what datasets' save_to_disk wrote
    hf://OWNER/NAME[/FOLDER][@REVISION][:SPLIT]  a dataset of the Hugging Face hub
"""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dormant.errors import DataError, MissingExtraError

HUB = "hf://"
#: Kinds of shards, by the ends of their names.
_KINDS = {
    "JSON Lines": (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"),
    "Parquet": (".parquet",),
    "Arrow": (".arrow",),
}
#: Kinds that are read only where a folder has none of the above: a table of labels, a README.
_OTHER_KINDS = {
    "CSV": (".csv", ".csv.gz", ".tsv", ".tsv.gz"),
    "JSON": (".json", ".json.gz"),
    "text": (".txt", ".txt.gz"),
}
_NUMBERED = re.compile(r"(.+)-\d{5}-of-\d{5}")  # train-00000-of-00003: the hub's own naming
_SPLITS = {
    "train": "train training",
    "validation": "validation valid val dev",
    "test": "test testing eval evaluation",
}
_SPLIT_OF = {word: split for split, words in _SPLITS.items() for word in words.split()}
_HUB_PLACE = re.compile(
    r"(?P<repo>[\w.-]+/[\w.-]+)(?:/(?P<folder>[\w./-]+))?(?:@(?P<revision>[\w./-]+))?"
    r"(?::(?P<split>[\w.-]+))?"
)


def find_files(place: str | Path) -> tuple[Path, ...]:
    """Lists the files of a corpus, in the order in which they are read; at least one.

    Raises:
        DataError: there is no such file or dataset, or it has several splits and none is named.
        MissingExtraError: a name on the hub is given and huggingface_hub is not installed.
    """
    text = str(place)
    if text.startswith(HUB):
        return _fetch_from_hub(text)
    path = Path(text)
    if _is_dir(path):
        return _list_folder(path, "")
    if _path_exists(path):
        return (path,)
    if any(sign in text for sign in "*?["):
        return _match_pattern(text)
    folder, colon, split = text.rpartition(":")
    if colon and split and _is_dir(Path(folder)):
        return _list_folder(Path(folder), split)
    return (path,)  # does not exist; the reader's error explains it


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _path_exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _match_pattern(pattern: str) -> tuple[Path, ...]:
    found = sorted(Path(name) for name in glob.glob(pattern, recursive=True))
    files = tuple(path for path in found if path.is_file())
    if not files:
        raise DataError("no file matches this pattern", file=pattern)
    return files


def _list_folder(path: Path, split: str) -> tuple[Path, ...]:
    if (path / "dataset_dict.json").is_file():
        return _saved_splits(path, split)
    if (path / "state.json").is_file() and (path / "dataset_info.json").is_file():
        if split:
            raise DataError(f"is one saved dataset without splits: leave out ':{split}'", file=path)
        return _list_saved_dataset(path)
    return _list_shards(path, split)


def _saved_splits(path: Path, split: str) -> tuple[Path, ...]:
    """A ``DatasetDict`` as ``save_to_disk`` writes it: one folder a split."""
    splits = _read_json(path / "dataset_dict.json").get("splits")
    if not isinstance(splits, list) or not all(_is_plain(name) for name in splits):
        raise DataError("is damaged: it lists no splits: save the dataset again", file=path)
    return _list_saved_dataset(path / _choose_split(path, splits, split))


def _list_saved_dataset(path: Path) -> tuple[Path, ...]:
    """A ``Dataset`` as ``save_to_disk`` writes it: Arrow files that ``state.json`` lists."""
    state = _read_json(path / "state.json")
    if state.get("_indices_files"):
        raise DataError("holds a selection of rows: save it again (flatten_indices)", file=path)
    files = state.get("_data_files")
    names = [f.get("filename") for f in files if isinstance(f, dict)] if files else []
    if not names or not all(_is_plain(name) for name in names):
        raise DataError("is damaged: state.json lists no files: save it again", file=path)
    return tuple(path / str(name) for name in names)


def _is_plain(name: Any) -> bool:
    """Whether a name from a file stays inside its folder."""
    return isinstance(name, str) and name not in ("", ".", "..") and not set(name) & set("/\\\0:")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"cannot be read: {error}: save the dataset again", file=path) from None
    return value if isinstance(value, dict) else {}


def _list_shards(path: Path, split: str) -> tuple[Path, ...]:
    choices = [_KINDS, *({name: ends} for name, ends in _OTHER_KINDS.items())]
    found = ((kinds, _find_shards(path, kinds)) for kinds in choices)
    of_kinds, files = next(((k, f) for k, f in found if f), (_KINDS, []))
    if not files:
        ends = ", ".join(end for kinds in choices for ends in kinds.values() for end in ends)
        raise DataError(f"is a directory without rows: no file ends in {ends}", file=path)
    splits = {file: _split_of(file.relative_to(path)) for file in files}
    chosen = _choose_split(path, sorted(set(splits.values())), split)
    files = [file for file in files if splits[file] == chosen]
    kinds = sorted(k for k, ends in of_kinds.items() if any(f.name.endswith(ends) for f in files))
    if len(kinds) > 1:
        raise DataError(
            f"holds both {' and '.join(kinds)} files: give a pattern like '{path}/*.jsonl'",
            file=path,
        )
    return tuple(files)


def _find_shards(path: Path, kinds: Mapping[str, tuple[str, ...]]) -> list[Path]:
    ends = tuple(end for kind in kinds.values() for end in kind)
    return sorted(
        file
        for file in path.rglob("*")
        if file.name.endswith(ends)
        and file.is_file()
        and not any(part.startswith((".", "cache-")) for part in file.relative_to(path).parts)
    )


def _split_of(name: Path) -> str:
    stem = name.name.partition(".")[0]
    numbered = _NUMBERED.fullmatch(stem)
    if numbered:
        return numbered.group(1)
    words = re.split(r"[^a-z]+", stem.lower())
    folders = [folder.lower() for folder in reversed(name.parts[:-1])]
    return next((_SPLIT_OF[word] for word in (*words, *folders) if word in _SPLIT_OF), "")


def _choose_split(path: Path, splits: Sequence[str], name: str) -> str:
    if name in splits:
        return name
    named = [split for split in splits if split]
    if not name and len(splits) == 1:
        return splits[0]
    listed = ", ".join(named) or "none"
    if name:
        raise DataError(f"has no split {name!r}: the splits are {listed}", file=path)
    raise DataError(
        f"has several splits ({listed}): add one to the path, like '{path}:{named[0]}'", file=path
    )


def _fetch_from_hub(place: str) -> tuple[Path, ...]:
    name = _HUB_PLACE.fullmatch(place.removeprefix(HUB))
    if name is None or ".." in place:
        raise DataError(
            "not the name of a dataset: expected hf://OWNER/NAME[/FOLDER][@REVISION][:SPLIT]",
            file=place,
        )
    try:
        import huggingface_hub as hub
    except ImportError:
        raise MissingExtraError("huggingface_hub", "tables") from None
    folder = (name["folder"] or "").strip("/")
    ends = [f"*{end}" for kind in ("JSON Lines", "Parquet") for end in _KINDS[kind]]
    try:
        local = hub.snapshot_download(
            name["repo"],
            repo_type="dataset",
            revision=name["revision"],
            allow_patterns=[f"{folder}/{end}" if folder else end for end in ends],
            etag_timeout=5,
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise DataError(
            f"not available from the Hugging Face hub ({type(error).__name__}: {reason}): "
            "check the name, the network and the access token, or give files on this disk",
            file=place,
        ) from None
    return _list_folder(Path(local, folder), name["split"] or "")
