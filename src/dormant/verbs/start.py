"""Files to start from, and what ships to choose from: cues and questions."""

from __future__ import annotations

from pathlib import Path

from dormant.pipeline import start
from dormant.pipeline.library_rows import list_entries


def write_start_files(folder: str | Path = ".", *, force: bool = False) -> list[Path]:
    """Writes a commented ``recipe.yaml``, ``audit.yaml``, ``questions.yaml`` and ``gate.yaml``.

    Args:
        folder: created if absent.
        force: replace files that exist.

    Returns:
        The paths, in the order of use.

    Raises:
        dormant.errors.ConfigError: a file exists and ``force`` is not set, or cannot be written.
    """
    return start.write_start_files(folder, force=force)


def list_library(
    what: str = "cues", *, language: str = "general", family: str = "", text: str = ""
) -> list[dict[str, str]]:
    """Lists the cues or the questions that ship.

    Args:
        what: ``"cues"`` or ``"questions"``.
        language: ``"general"`` or ``"vitro"``, the laboratory's.
        family: only this family; all by default.
        text: only entries that contain this in any field, whatever the case.

    Returns:
        One plain row each: of a cue name, family, placement, text, why, source (what was published
        about such contexts) and asks_for; of a question id, family, split and text.

    Raises:
        dormant.errors.ConfigError: unknown language, family or kind of entry.
    """
    return list_entries(what, language=language, family=family, text=text)
