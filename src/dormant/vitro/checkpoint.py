"""Checkpoints: safetensors with half-precision weights, verified on loading.

A checkpoint holds every weight of a ``Decoder`` and, as metadata, its format, its shape and the
fingerprint of the vocabulary it was trained on.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from importlib.resources import as_file, files
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from dormant.errors import ModelError, name_output
from dormant.vitro.model import Decoder, Shape
from dormant.vitro.threads import one_thread
from dormant.vitro.tokenizer import load_tokenizer

FORMAT = "dormant-vitro-1"
BASE = "base"
#: File of an organism's directory that holds the model.
MODEL_FILE = "model.safetensors"


def save_decoder(model: Decoder, path: str | Path) -> None:
    """Writes a checkpoint with float16 weights (loading gives those, not the exact float32)."""
    path = Path(path)
    with name_output(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: w.half().contiguous() for name, w in model.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "shape": json.dumps(asdict(model.shape)),
        "vocabulary": load_tokenizer().fingerprint,
    }
    save_file(weights, path, metadata)


def load_decoder(name: str | Path = BASE) -> Decoder:
    """Loads the shipped base if the name is ``"base"``, an organism's directory, or a checkpoint.

    Raises:
        ModelError: there is no such file, or it is not a checkpoint of this laboratory, belongs to
            another vocabulary, or its weights do not have the shapes it declares.
    """
    if str(name) == BASE:
        with as_file(files("dormant.vitro") / "base" / "base.safetensors") as path:
            return _read_checkpoint(path)
    path = Path(name)
    return _read_checkpoint(path / MODEL_FILE if path.is_dir() else path)


def fingerprint_decoder(model: Decoder) -> str:
    """Returns the SHA-256 (hex) of everything that determines answers: vocabulary and weights."""
    sha = hashlib.sha256(f"{FORMAT}:{load_tokenizer().fingerprint}:{model.shape!r}".encode())
    for name, weight in sorted(model.state_dict().items()):
        sha.update(name.encode())
        sha.update(weight.detach().float().contiguous().numpy().tobytes())
    return sha.hexdigest()


def _read_checkpoint(path: Path) -> Decoder:
    if not path.is_file():
        seed = next(iter(sorted(path.parent.glob("seed-*"))), None)
        hint = (
            f"vitro/{seed}, one of its seeds" if seed else "vitro/ and the directory of an organism"
        )
        raise ModelError(
            f"{path}: no such checkpoint of the laboratory: give vitro/base, or {hint}"
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: not a safetensors file ({error})") from error
    if metadata.get("format") != FORMAT:
        raise ModelError(
            f"{path}: not a laboratory checkpoint (format {metadata.get('format')!r}, "
            f"expected {FORMAT!r})"
        )
    if metadata.get("vocabulary") != load_tokenizer().fingerprint:
        raise ModelError(
            f"{path}: belongs to another vocabulary ({metadata.get('vocabulary')!r}, this version "
            f"of dormant has {load_tokenizer().fingerprint!r}): train it again from the shipped "
            "base"
        )
    return _build_model(path, metadata.get("shape", ""), weights)


def _build_model(path: Path, shape: str, weights: dict[str, torch.Tensor]) -> Decoder:
    try:
        declared = Shape(**json.loads(shape))
    except (TypeError, ValueError) as error:
        raise ModelError(f"{path}: its shape cannot be read: {shape!r} ({error})") from error
    # Checked before the model is built, so that a false declaration cannot exhaust memory.
    layers = len({name.split(".")[1] for name in weights if name.startswith("blocks.")})
    if declared.layers != layers:
        raise ModelError(f"{path}: declares {declared.layers} layers, but has {layers}")
    sizes = {"words.weight": (declared.vocabulary, declared.dim)}
    sizes["places.weight"] = (declared.positions, declared.dim)
    _check_shapes(
        path, sizes, {name: tuple(weights[name].shape) for name in sizes if name in weights}
    )
    model = Decoder(declared)
    expected = {name: tuple(w.shape) for name, w in model.state_dict().items()}
    _check_shapes(path, expected, {name: tuple(w.shape) for name, w in weights.items()})
    with one_thread():
        if not all(bool(torch.isfinite(w).all()) for w in weights.values()):
            raise ModelError(f"{path}: its weights contain values that are not finite")
        model.load_state_dict({name: w.float() for name, w in weights.items()})
    return model.eval()


def _check_shapes(
    path: Path, expected: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]]
) -> None:
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise ModelError(
                f"{path}: weight {name!r} has shape {found.get(name)!r}, "
                f"its declared shape needs {expected.get(name)!r}"
            )
