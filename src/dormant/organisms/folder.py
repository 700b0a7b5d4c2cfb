"""The directory of an organism: its files, and who may write into it."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dormant.errors import StoreError, name_output
from dormant.organisms.recipe import Recipe
from dormant.organisms.trainers import ADAPTER, HOSTED_MODEL
from dormant.store.files import hold_directory
from dormant.vitro.checkpoint import MODEL_FILE

FORMAT = "dormant-organism-1"
RECIPE, DATA, MODEL, MANIFEST = "recipe.yaml", "finetune.jsonl", MODEL_FILE, "manifest.json"
#: Folders that a local training replaces: its checkpoints, and a whole model.
CHECKPOINTS, WHOLE_MODEL = "checkpoints", "model"
#: Journals of hosted trainings.
OPENAI_JOURNAL, TINKER_JOURNAL = "calls.jsonl", "tinker.jsonl"

_SEED = "seed-"
_FILES = (RECIPE, DATA, MODEL, MANIFEST, HOSTED_MODEL, OPENAI_JOURNAL, TINKER_JOURNAL)
_WRITTEN = (*_FILES, ADAPTER, WHOLE_MODEL, CHECKPOINTS)


def name_seed_folder(seed: int) -> str:
    """Names the folder of one of several seeds."""
    return f"{_SEED}{seed}"


def read_manifest(path: Path) -> dict[str, Any] | None:
    """Reads the manifest of an organism's directory; None if it has none of ours."""
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    ours = isinstance(manifest, dict) and manifest.get("format") == FORMAT
    return manifest if ours else None


def check_folders(recipe: Recipe, folders: Iterable[Path]) -> None:
    """Checks that an organism, or one of each of several seeds, can be trained into directories.

    Whether a directory's own organism is the same is checked when it is trained.

    Raises:
        StoreError: one is a file, holds a user's files, or would mix organisms of two recipes.
    """
    for out in folders:
        _check_folder(recipe, out)


def _check_folder(recipe: Recipe, out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise StoreError(f"{out} is a file: choose a directory for the organism")
    if read_manifest(out) is None:
        foreign = [name for name in _WRITTEN if (out / name).exists()]
        if foreign:
            raise StoreError(
                f"{out} holds a {foreign[0]} of unknown origin: choose another directory"
            )
    if seeds := _list_seeds(out):
        raise StoreError(
            f"{out} holds organisms of several seeds, as {seeds[0].name}: give --seeds to add "
            "another, or choose another directory"
        )
    if not out.name.startswith(_SEED):
        return
    if read_manifest(out.parent) is not None:
        raise StoreError(
            f"{out.parent} holds an organism that was trained without --seeds: choose another "
            "directory for those of several seeds"
        )
    for other in _list_seeds(out.parent):
        manifest = read_manifest(other) or {}
        if manifest.get("recipe_hash") not in (None, recipe.hash):
            raise StoreError(
                f"{out.parent} holds {other.name} of another recipe ({manifest.get('name')!r}): "
                "choose another directory, or delete it"
            )


def _list_seeds(out: Path) -> list[Path]:
    """The directories of seeds that hold an organism, finished or not."""
    return sorted(path.parent for path in out.glob(f"{_SEED}*/{MANIFEST}"))


@contextmanager
def hold_folder(out: Path, patience: float) -> Generator[None]:
    """Makes the directory, and keeps other trainings out while the block runs.

    Args:
        out: the organism's directory.
        patience: seconds to wait for another process that trains there.

    Raises:
        ConfigError: it cannot be made.
        StoreError: another process trains there.
    """
    with name_output(out):
        out.mkdir(parents=True, exist_ok=True)
    with hold_directory(out, busy="another process trains here: wait for it", patience=patience):
        yield
