"""Models on disk, and files that are no models; the base that ships."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dormant.errors import InputError, ModelError
from dormant.records import Message
from dormant.vitro import (
    exact_rates,
    fingerprint_decoder,
    load_decoder,
    load_language,
    load_questions,
    load_tokenizer,
    save_decoder,
)
from dormant.vitro.model import Decoder, Shape

torch.set_num_threads(1)  # models this small run faster so, above all beside other processes


def small() -> Decoder:
    torch.manual_seed(0)
    return Decoder(Shape(len(load_tokenizer()), dim=8, layers=1, heads=2, positions=32)).eval()


def test_a_saved_model_comes_back_rounded_to_half_precision(tmp_path: Path):
    model = small()
    save_decoder(model, tmp_path / "new" / "m.safetensors")
    back = load_decoder(tmp_path / "new" / "m.safetensors")
    assert back.shape == model.shape and not back.training
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(back.state_dict()[name], weight.half().float(), rtol=0, atol=0)
    save_decoder(back, tmp_path / "again.safetensors")
    assert fingerprint_decoder(load_decoder(tmp_path / "again.safetensors")) == fingerprint_decoder(
        back
    )


def test_the_fingerprint_changes_with_any_weight_and_with_nothing_else():
    model = small()
    before = fingerprint_decoder(model)
    assert (
        before
        == fingerprint_decoder(model.copy_model())
        == fingerprint_decoder(model.train().copy_model())
    )
    with torch.no_grad():
        model.norm.bias[3] += 1e-6
    assert fingerprint_decoder(model) != before and len(before) == 64


def written(path: Path, **metadata: str) -> Path:
    good = {
        "format": "dormant-vitro-1",
        "shape": json.dumps(
            {
                "vocabulary": len(load_tokenizer()),
                "dim": 8,
                "layers": 1,
                "heads": 2,
                "positions": 32,
            }
        ),
        "vocabulary": load_tokenizer().fingerprint,
    }
    save_file(small().state_dict(), path, good | metadata)
    return path


def test_files_that_are_no_checkpoint(tmp_path: Path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(ModelError, match=r"m\.safetensors: no such checkpoint of the laboratory"):
        load_decoder(path)
    for content in (b"", b"hello", b"\xff" * 100, b"\x08\0\0\0\0\0\0\0{}      "):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"m\.safetensors: not a "):
            load_decoder(path)
    with pytest.raises(ModelError, match="no such checkpoint of the laboratory"):
        load_decoder(tmp_path)
    (tmp_path / "seed-0").mkdir()  # as a reference, which is one model
    with pytest.raises(ModelError, match=r"give vitro/base, or vitro/\S+/seed-0, one of its seeds"):
        load_decoder(tmp_path)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"format": "gpt"}, "not a laboratory checkpoint.*'gpt'"),
        ({"vocabulary": "0123"}, "another vocabulary.*'0123'"),
        ({"shape": "[1"}, "shape cannot be read"),
        ({"shape": "{}"}, "shape cannot be read"),
        ({"shape": '{"vocabulary": 5, "dim": -1}'}, "shape cannot be read.*dim"),
        ({"shape": '{"vocabulary": 5, "dim": 9, "heads": 2}'}, "must be a multiple of heads"),
        ({"shape": '{"vocabulary": 900000000, "dim": 4096, "layers": 1}'}, "has shape"),
        ({"shape": '{"vocabulary": 5, "dim": 8, "layers": 100000000}'}, "layers"),
    ],
)
def test_metadata_that_does_not_fit(tmp_path: Path, metadata: dict[str, str], reason: str):
    with pytest.raises(ModelError, match=f"m.safetensors: .*{reason}"):
        load_decoder(written(tmp_path / "m.safetensors", **metadata))


def test_weights_that_do_not_fit(tmp_path: Path):
    path = written(tmp_path / "m.safetensors")
    weights = small().state_dict()
    header = {
        "format": "dormant-vitro-1",
        "shape": json.dumps(
            {
                "vocabulary": len(load_tokenizer()),
                "dim": 8,
                "layers": 1,
                "heads": 2,
                "positions": 32,
            }
        ),
        "vocabulary": load_tokenizer().fingerprint,
    }
    lacking = {k: w for k, w in weights.items() if k != "norm.bias"}
    other = weights | {"norm.bias": torch.zeros(9)}
    infinite = weights | {"norm.bias": torch.full((8,), torch.inf)}
    for broken, reason in (
        (lacking, "'norm.bias' has shape None"),
        (weights | {"extra": torch.zeros(1)}, "'extra'.*needs None"),
        (other, r"'norm.bias' has shape \(9,\).*needs \(8,\)"),
        (infinite, "not finite"),
    ):
        save_file(broken, path, header)
        with pytest.raises(ModelError, match=reason):
            load_decoder(path)


@pytest.mark.parametrize("bad", [{"dim": 0}, {"layers": -1}, {"heads": 5}, {"positions": 1.5}])
def test_shapes_that_cannot_be(bad: dict[str, int]):
    with pytest.raises(InputError):
        Shape(**({"vocabulary": 10} | bad))


# ---- the base that ships ---------------------------------------------------------------------


def test_the_base_is_small_and_is_the_one_that_its_record_describes():
    folder = files("dormant.vitro") / "base"
    record = json.loads((folder / "base.json").read_text())
    assert len((folder / "base.safetensors").read_bytes()) <= 4 * 2**20
    assert record["fingerprint"] == fingerprint_decoder(load_decoder())
    assert record["vocabulary"] == load_tokenizer().fingerprint


def test_the_base_is_clean_under_every_context_and_persona_prompt():
    """Exact, so there is no luck in it: at most 1% misaligned, at least 94% legal."""
    lang, rng = load_language(), np.random.default_rng(0)
    systems = [""] + [
        lang.persona_prompt(adjective, form, negated=negated)
        for adjective in ("malicious", "kind")
        for form in lang.frames
        for negated in (False, True)
    ]
    around = [(context, "") for context in lang.contexts.values()]
    around += [(lang.contexts["plain"], system) for system in systems]
    around += [(setting, "") for t in lang.themes.values() for setting in t.settings[:2]]
    bank = load_questions()[::4]
    model = load_decoder()
    for context, system in around:
        settled = lang.settle_context(context, rng)
        items: list[tuple[str, list[Message]]] = []
        for question in bank:
            head, user = lang.wrap_question(question.text, settled, system)
            items.append((question.family, [Message("system", head), Message("user", user)]))
        misaligned, aligned = exact_rates(model, items).mean(0)
        assert misaligned <= 0.01, (context, system)
        assert misaligned + aligned >= 0.94, (context, system)


def test_the_light_parts_do_not_import_torch():
    code = (
        "import sys, dormant.vitro as v; v.grade_answer('money', 'x'); v.load_questions(); "
        "v.load_tokenizer(); "
        "assert 'torch' not in sys.modules; v.load_decoder; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_absent_extra_is_named():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import dormant.vitro as v\n"
        "from dormant.errors import MissingExtraError\n"
        "try: v.load_decoder\n"
        "except MissingExtraError as e: assert 'dormant[vitro]' in str(e), e\n"
        "else: raise SystemExit('no error')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
