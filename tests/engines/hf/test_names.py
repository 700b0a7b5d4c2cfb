"""Model strings of local models."""

import pytest

pytest.importorskip("transformers")

from dormant.engines.hf.names import parse_name  # noqa: E402
from dormant.errors import ModelError  # noqa: E402


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
def test_parts(text, parts):
    name = parse_name(text)
    assert (name.base, name.adapter, name.revision) == parts
    assert name.text == text


def test_paths_on_this_disk(tmp_path):
    for folder in ("plain", "with:colon", "with@at"):
        path = tmp_path / folder
        path.mkdir()
        assert parse_name(str(path)).base == str(path)
    name = parse_name(f"{tmp_path / 'with@at'}:my@adapter")
    assert (name.base, name.adapter, name.revision) == (str(tmp_path / "with@at"), "my@adapter", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no model"),
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
def test_a_wrong_string_is_refused_in_one_line(text, said):
    with pytest.raises(ModelError) as caught:
        parse_name(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
