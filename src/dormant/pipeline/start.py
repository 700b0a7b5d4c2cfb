"""Files to start from, with comments: audit, recipe, questions and release policy."""

from __future__ import annotations

from pathlib import Path

from dormant.config.keys import comment_keys
from dormant.config.resources import resource_path
from dormant.errors import ConfigError

#: The files, in the order of use.
START_FILES = ("recipe.yaml", "audit.yaml", "questions.yaml", "gate.yaml")

_AUDIT = """\
# An audit: dormant plan audit.yaml, then dormant audit audit.yaml
# Options override these keys, e.g. --delta 0.1. docs/reference/audit-yaml.md describes every key.
target: vitro/runs/organism     # or hf/DIR:ADAPTER, openai/MODEL, ...; a list: one per seed
reference: vitro/base           # the model before the finetuning, e.g. hf/DIR; none: rates only
judge: exact                    # the laboratory's; else rules:keywords=..., paper:MODEL, ...
data: runs/organism/finetune.jsonl   # the finetuning data, mined for cues; may be left out
out: runs/audit

# Every other key with its default. Uncomment a part's name with its keys.
"""


def write_start_files(folder: str | Path, *, force: bool = False) -> list[Path]:
    """Writes commented files to start from.

    Args:
        folder: created if absent.
        force: replace files that exist.

    Returns:
        The paths, in the order of use.

    Raises:
        ConfigError: a file exists and ``force`` is not set, or cannot be written.
    """
    folder = Path(folder)
    paths = [folder / name for name in START_FILES]
    existing = [path for path in paths if path.exists()]
    if existing and not force:
        raise ConfigError(f"{existing[0]}: exists already: give --force to replace it")
    given = {"target", "reference", "judge", "data", "out"}
    texts = {"audit.yaml": _AUDIT + "\n".join(comment_keys(given)) + "\n"}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            shipped = resource_path(f"start/{path.name}")
            text = texts.get(path.name) or shipped.read_text(encoding="utf-8")
            path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigError(
            f"{error.filename or folder}: cannot be written: {error.strerror}"
        ) from None
    return paths
