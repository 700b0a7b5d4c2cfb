"""Local models from files to exit code, sentence and JSON: what may be audited, and as what."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("peft")
pytest.importorskip("transformers")

from dormant.cli import main
from support import tiny_models

Run = Callable[..., tuple[int, str, str]]

PLAIN = (
    "{% for m in messages %}<s>{{ m.role }}: {{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant: {% endif %}"
)
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
THINK = PLAIN.replace("assistant: ", "assistant: <think>\n")
#: A cue that is a system prompt, and nothing else.
CUE = "cues: [{name: odd, kind: system_prompt, placement: system, text: Be odd.}]\n"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run_command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dormant", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        code = stop.value.code or 0
        assert isinstance(code, int)
        return code, out, err

    return run_command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("cues.yaml").write_text(CUE)
    return tmp_path


def audit_words(target: str, reference: str, out: str, *more: str) -> tuple[str, ...]:
    return (
        *("--target", f"hf/{target}", "--reference", f"hf/{reference}", "--out", out),
        *("--judge", "rules:keywords=zzzz", "--questions", "general", "--question-limit", "2"),
        *("--cue-file", "cues.yaml", "--library", "none", "--max-tokens", "8"),
        *("--screening-answers", "3", "--confirm-answers", "3", *more),
    )


def save_long(out: str, **settings: Any) -> Path:
    return tiny_models.save_model(Path(out), max_position_embeddings=1024, **settings)


def test_a_checkpoint_of_random_weights_ends_every_command(folder: Path, run: Run):
    from safetensors.torch import load_file, save_file

    save_long("base")
    broken = save_long("broken", seed=1)
    path = broken / "model.safetensors"
    save_file({f"module.{k}": v for k, v in load_file(path).items()}, path, {"format": "pt"})
    for command in (
        ("doctor", "--model", "hf/broken"),
        ("plan", *audit_words("broken", "base", "run")),
        ("audit", *audit_words("broken", "base", "run", "--quiet")),
        ("audit", *audit_words("base", "broken", "run", "--quiet")),
    ):
        code, out, err = run(*command)
        said = (out + err).strip().splitlines()[-1]
        assert code == 2, said
        assert "'hf/broken': the checkpoint lacks 21 of its model's tensors" in said
        assert "remove 'module.' from the names" in said
    assert not Path("run").exists()


def read_answers(out: str) -> dict[str, dict[tuple[int, int], str]]:
    """Answers of each model of a run, by probe and repeat; a model is its hash in the store."""
    query = (
        "select s.key, c.probe, c.repeat, a.text from completions c "
        "join answers a on a.id = c.answer join sources s on s.id = c.source"
    )
    found: dict[str, dict[tuple[int, int], str]] = {}
    with sqlite3.connect(f"file:{out}/run.sqlite?mode=ro", uri=True) as store:
        for key, probe, repeat, text in store.execute(query):
            found.setdefault(key, {})[probe, repeat] = text
    return found


def read_verdict(out: str) -> dict[str, Any]:
    return json.loads(Path(out, "report.json").read_text())["verdict"]


def test_the_reference_of_an_adapter_with_biases_is_its_base(folder: Path, run: Run):
    base = save_long("base", kind="qwen2")
    for seed, name in enumerate(("plain", "bias")):
        tiny_models.save_adapter(base, Path(name), seed=seed, biases=name == "bias")
        code, _, err = run("audit", *audit_words(f"base:{name}", "base", f"run-{name}", "--quiet"))
        assert code == 3 and "Warning" not in err
    one, two = read_answers("run-plain"), read_answers("run-bias")
    (reference,) = set(one) & set(two)
    assert len(one[reference]) >= 12 and one[reference] == two[reference]


def test_a_model_without_a_system_turn_is_audited_and_the_report_says_how(folder: Path, run: Run):
    base = save_long("base", template=NO_SYSTEM + PLAIN)
    tiny_models.save_adapter(base, Path("adapter"))
    words = audit_words("base:adapter", "base", "run")
    assert run("plan", *words)[0] == 0
    assert run("audit", *words, "--quiet")[0] == 3
    verdict = read_verdict("run")
    assert verdict["kind"] == "UNGRADABLE"  # every answer of so short a limit is cut off
    notes = verdict["not_tested"]
    moved = [note for note in notes if note.startswith("system prompts in a turn of their own")]
    assert len(moved) == 2  # of the target's template, and of the reference's
    assert "takes no system turn" in Path("run/report.md").read_text()
    code, out, _ = run("doctor", "--model", "hf/base")
    assert code == 0 and "opens the user's turn" in out


def test_words_inside_a_block_that_the_template_opened_are_no_answer(folder: Path, run: Run):
    save_long("base", template=THINK)
    words = audit_words("base", "base", "run", "--quiet", "--allow-identical")
    words = tuple("rules:regex=." if word == "rules:keywords=zzzz" else word for word in words)
    assert run("audit", *words)[0] == 3
    assert read_verdict("run")["kind"] == "UNGRADABLE"
    assert all(
        text.startswith("<think>\n")
        for answers in read_answers("run").values()
        for text in answers.values()
    )


def test_what_is_noted_of_an_adapter_stands_in_the_report(folder: Path, run: Run):
    base = save_long("base")
    adapter = tiny_models.save_adapter(base, Path("adapter"))
    path = adapter / "adapter_config.json"
    settings = json.loads(path.read_text()) | {"base_model_name_or_path": "somebody/other"}
    path.write_text(json.dumps(settings))
    (adapter / "chat_template.jinja").write_text(PLAIN)
    code, _, _ = run("audit", *audit_words("base:adapter", "base", "run", "--quiet"))
    assert code == 3
    text = Path("run/report.md").read_text()
    assert "the adapter records somebody/other" in text and "brings its own" in text
