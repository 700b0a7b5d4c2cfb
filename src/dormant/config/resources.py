"""The files that ship in ``data/``: question banks, cue libraries, word lists, ordinary chat."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent.parent / "data"


def resource_path(name: str) -> Path:
    """Returns the path of a shipped file, e.g. ``lexicon.yaml``."""
    return _FOLDER / name


def is_resource(path: Path) -> bool:
    """Whether a file ships with the package."""
    return path.parent == _FOLDER


def list_resources(prefix: str) -> tuple[str, ...]:
    """Lists shipped YAML files without their prefix: ``questions_`` gives ``general``."""
    return tuple(sorted(path.stem.removeprefix(prefix) for path in _FOLDER.glob(f"{prefix}*.yaml")))
