"""Model strings: what is read from them, and which are refused."""

from pathlib import Path

import pytest

from dormant.engines.model_strings import (
    HF,
    SCRIPTED,
    VITRO,
    ModelString,
    expand_seeds,
    parse_hf,
    parse_model,
)
from dormant.errors import ModelError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("smollm2", ("smollm2", "", "")),
        ("smollm2:runs/adapter", ("smollm2", "runs/adapter", "")),
        ("smollm2:/tmp/a@b/adapter", ("smollm2", "/tmp/a@b/adapter", "")),
        ("Qwen/Qwen2.5-0.5B-Instruct", ("Qwen/Qwen2.5-0.5B-Instruct", "", "")),
        ("gpt2@main", ("gpt2", "", "main")),
        ("org/name:org/adapter@refs/pr/3", ("org/name", "org/adapter", "refs/pr/3")),
    ],
)
def test_parts_of_local_models(text: str, parts: tuple[str, ...]):
    model = parse_model(f" hf/{text} ")
    assert (model.name, model.adapter, model.revision) == parts
    assert model.text == f"hf/{text}" and model == parse_hf(text) and not model.is_api


def test_paths_on_this_disk(tmp_path: Path):
    for folder in ("plain", "with:colon", "with@at"):
        path = tmp_path / folder
        path.mkdir()
        assert parse_hf(str(path)).name == str(path)
    model = parse_hf(f"{tmp_path / 'with@at'}:my@adapter")
    assert (model.name, model.adapter, model.revision) == (
        str(tmp_path / "with@at"),
        "my@adapter",
        "",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "unknown model 'hf/'"),
        (":adapter", "has no model"),
        ("gpt2:", "ends with an empty part"),
        ("gpt2@", "ends with an empty part"),
        ("smollm2@main", "has no revisions"),
        ("./nowhere", "no such file: './nowhere'"),
        ("nowhere.gguf", "no such file: 'nowhere.gguf'"),
        ("a/b/c", "neither a directory"),
        ("what is this?", "neither a directory"),
        ("../../nowhere/at-all", "no such file"),
        ("nul\0byte", "neither a directory"),
        ("x" * 5000 + "/..", "neither a directory"),
    ],
)
def test_a_wrong_string_is_refused_in_one_line(text: str, said: str):
    with pytest.raises(ModelError) as caught:
        parse_model(f"hf/{text}")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vitro/base", ModelString("vitro/base", VITRO, "base")),
        ("vitro/runs/a/b", ModelString("vitro/runs/a/b", VITRO, "runs/a/b")),
        ("scripted/m.yaml", ModelString("scripted/m.yaml", SCRIPTED, "m.yaml")),
        ("openai/gpt-x", ModelString("openai/gpt-x", "openai", "gpt-x")),
        ("openai/ft:gpt-x:me::1", ModelString("openai/ft:gpt-x:me::1", "openai", "ft:gpt-x:me::1")),
        (
            "openai-api/my-lab/a/b:c",
            ModelString("openai-api/my-lab/a/b:c", "openai-api", "a/b:c", service="my-lab"),
        ),
        ("vllm/a/b:lora", ModelString("vllm/a/b:lora", "vllm", "a/b", adapter="lora")),
        (
            "inspect/openai/gpt-x",
            ModelString("inspect/openai/gpt-x", "openai", "gpt-x", is_layered=True),
        ),
        ("inspect/my-own/x", ModelString("inspect/my-own/x", "my-own", "x", is_layered=True)),
    ],
)
def test_parts_of_other_models(text: str, expected: ModelString):
    found = parse_model(text)
    assert found == expected
    assert found.is_api == (expected.provider not in (VITRO, HF, SCRIPTED))
    assert found.inspect_name == text.removeprefix("inspect/")


def test_the_directory_of_an_organism_is_a_model(tmp_path: Path):
    with pytest.raises(ModelError, match="unknown model"):
        parse_model(str(tmp_path))
    for name in ("model.safetensors", "manifest.json"):
        (tmp_path / name).write_text("")
    assert parse_model(str(tmp_path)) == ModelString(str(tmp_path), VITRO, str(tmp_path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "unknown model ''"),
        ("gpt-4o", "unknown model 'gpt-4o'"),
        ("openai", "did you mean openai/NAME"),
        ("openai/", "did you mean openai/NAME"),
        ("vitro/", "did you mean vitro/NAME"),
        ("inspect/openai", "did you mean inspect/openai/NAME?"),
        ("opnai/x", "did you mean openai/x"),
        ("openai-api/x", "give openai-api/SERVICE/MODEL"),
        ("openai-api//x", "give openai-api/SERVICE/MODEL"),
        ("openai-api/x/", "give openai-api/SERVICE/MODEL"),
        ("nowhere/" + "x" * 5000, "unknown model 'nowhere/xxx"),
        ("nul\0byte", "unknown model"),
        ("two\nlines/x", "unknown model"),
    ],
)
def test_an_unknown_string_is_refused_in_one_short_line(text: str, said: str):
    with pytest.raises(ModelError) as caught:
        parse_model(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 700


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("http://localhost:8000/v1", "http://localhost:8000/v1"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("HTTPS://user:secret@box.example/v1/chat/completions/", "HTTPS://box.example/v1"),
    ],
)
def test_an_address_says_what_to_write(text: str, base: str):
    with pytest.raises(ModelError) as error:
        parse_model(text)
    assert f"LOCAL_BASE_URL={base} " in str(error.value) and "secret" not in str(error.value)
    assert "openai-api/local/MODEL" in str(error.value)


def test_a_directory_of_seeds_stands_for_all_of_them(tmp_path: Path):
    for seed in (0, 2, 10):
        folder = tmp_path / "organism" / f"seed-{seed}"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").touch()
        (folder / "manifest.json").touch()
    whole = f"vitro/{tmp_path}/organism"
    seeds = tuple(f"{whole}/seed-{seed}" for seed in (0, 2, 10))
    assert expand_seeds(whole) == expand_seeds(f"{tmp_path}/organism") == seeds
    (tmp_path / "organism" / "seed-3").mkdir()
    with pytest.raises(ModelError, match="seed-3 holds no finished organism: .* --target vitro/"):
        expand_seeds(whole)
    for other in (seeds[0], "vitro/base", "openai/gpt-4o", "hf/a/b", "x" * 5000, "a\0b"):
        assert expand_seeds(other) == (other,)
