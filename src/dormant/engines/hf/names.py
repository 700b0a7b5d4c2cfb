"""Model strings of local models: ``hf/NAME_OR_PATH[:ADAPTER][@REVISION]``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dormant.errors import ModelError

SMOLLM2 = "smollm2"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@dataclass(frozen=True, slots=True)
class HfName:
    """What a model string asks for."""

    text: str  # the string as given, without "hf/"
    base: str  # a directory, a .gguf file, "smollm2", or a name on the Hugging Face hub
    adapter: str = ""  # a directory or a name on the hub; empty for none
    revision: str = ""  # of the base on the hub; empty for its default branch

    @property
    def path(self) -> Path | None:
        """The base on this disk, or None if it does not exist there."""
        return Path(self.base).expanduser() if _path_exists(self.base) else None


def parse_name(text: str) -> HfName:
    """Reads a model string.

    A string that is a path as a whole is taken as one. Otherwise the first ``:`` begins an
    adapter, and, unless the base is on this disk, the last ``@`` begins a revision.

    Args:
        text: the model string without ``hf/``.

    Raises:
        ModelError: a part is empty, or a revision is given for something on this disk.
    """
    if _path_exists(text):
        return HfName(text, text)
    base, colon, adapter = text.partition(":")
    at, revision = "", ""
    if base != SMOLLM2 and not _path_exists(base) and "@" in text:
        rest, at, revision = text.rpartition("@")
        base, colon, adapter = rest.partition(":")
    if at and not revision or colon and not adapter:
        raise ModelError(f"'hf/{text}' ends with an empty part; give hf/NAME[:ADAPTER][@REVISION]")
    if not base:
        raise ModelError(
            f"'hf/{text}' has no model; give a directory, a .gguf file or a name on the hub"
        )
    if revision and (base == SMOLLM2 or _path_exists(base)):
        raise ModelError(
            f"'hf/{text}': {base!r} is on this disk and has no revisions; remove {revision!r}"
        )
    if base != SMOLLM2 and not _path_exists(base):
        _check_hub_name(text, base)
    return HfName(text, base, adapter, revision)


def _path_exists(text: str) -> bool:
    try:
        return bool(text) and Path(text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, a null byte, an unknown home
        return False


def _check_hub_name(text: str, base: str) -> None:
    if base.endswith(".gguf") or base.startswith((".", "/", "~")):
        raise ModelError(f"'hf/{text}': no such file: {base!r}")
    if not _HUB_NAME.fullmatch(base) or ".." in base:
        raise ModelError(
            f"'hf/{text}': {base!r} is neither a directory, a .gguf file nor a name on the hub "
            "(like 'Qwen/Qwen2.5-0.5B-Instruct')"
        )
