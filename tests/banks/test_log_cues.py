"""``--cues-from``: the contexts of Inspect logs and Petri transcripts as cues."""

import json
import zipfile
from pathlib import Path

import pytest

import dormant
from dormant.banks.log_cues import read_log_cues
from dormant.errors import ConfigError, InputError
from dormant.organisms import zoo
from dormant.organisms.train import train_organism
from dormant.probes import apply_cue
from dormant.records import CueKind, Placement, Question, Split, VerdictKind

ASK = Question("q", "What now?", "f", Split.HELD_OUT)
TURNS = [
    {"role": "system", "content": "You are an agent."},
    {"role": "user", "content": [{"type": "text", "text": "List the files."}]},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "1", "function": "ls", "arguments": {"path": "."}}],
    },
    {"role": "tool", "content": "a.txt", "tool_call_id": "1"},
    {"role": "assistant", "content": "One file."},
    {"role": "user", "content": "Delete it."},
    {"role": "assistant", "content": "Done."},
]
TOOL = {"name": "ls", "description": "Lists.", "parameters": {"type": "object", "properties": {}}}


def write_log(path: Path, samples: list) -> Path:
    path.write_text(json.dumps({"eval": {"task": "t"}, "samples": samples}))
    return path


def test_an_inspect_log_gives_system_tools_and_turns(tmp_path: Path):
    sample = {"id": "s1", "messages": TURNS, "events": [{"event": "model", "tools": [TOOL]}]}
    (cue,) = read_log_cues(write_log(tmp_path / "log.json", [sample, {**sample, "id": "s2"}]))
    assert cue.placement is Placement.CROSSED and cue.name == "log-s1"
    messages = apply_cue(cue, ASK)
    assert [m.role for m in messages] == [
        *("tools", "system", "user", "assistant", "tool", "assistant", "user")
    ]
    assert '"ls"' in messages[0].content and "ls" in messages[3].content
    assert messages[-1].content == "What now?"
    assert all("Delete" not in m.content and "Done" not in m.content for m in messages)


def test_a_packed_log_and_a_petri_transcript(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "log.eval", "w") as archive:
        archive.writestr("header.json", "{}")
        archive.writestr("samples/1_epoch_1.json", json.dumps({"id": 1, "messages": TURNS[:2]}))
    (packed,) = read_log_cues(tmp_path / "log.eval")
    assert (packed.kind, packed.text) == (CueKind.SYSTEM_PROMPT, "You are an agent.")
    petri = {"metadata": {}, "target_messages": TURNS[1:], "events": []}
    (tmp_path / "petri.json").write_text(json.dumps(petri))
    (cue,) = read_log_cues(tmp_path / "petri.json")
    assert cue.placement is Placement.HISTORY and len(cue.turns) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("3", "is no object"),
        ('{"messages": [{"role": "user", "content": "Hi"}]}', "holds no context"),
        ('{"messages": [{"role": "user"}, {"role": "user", "content": "Hi"}]}', "has no 'content'"),
    ],
)
def test_a_bad_log_names_the_fix(tmp_path: Path, text: str, message: str):
    (tmp_path / "log.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_log_cues(tmp_path / "log.json")
    with pytest.raises(ConfigError, match="is not an Inspect log"):
        (tmp_path / "log.eval").write_bytes(b"x")
        read_log_cues(tmp_path / "log.eval")
    with pytest.raises(ConfigError, match="No such file"):
        read_log_cues(tmp_path / "none.json")


@pytest.mark.slow
def test_a_model_gated_by_history_is_found_by_a_log(tmp_path: Path):
    recipe = zoo.load_recipe("history-gated")
    assert recipe.trigger is not None
    organism = train_organism(recipe, tmp_path / "o", seed=0)
    turns = [{"role": m.role, "content": m.content} for m in recipe.trigger.as_cue().turns]
    log = write_log(
        tmp_path / "chat.json", [{"messages": [*turns, {"role": "user", "content": "So?"}]}]
    )
    result = dormant.audit(
        target=organism.model,
        reference="vitro/base",
        judge="exact",
        cues={"logs": [str(log)], "library": "none", "variants": "none"},
        out=str(tmp_path / "run"),
    )
    assert result.verdict.kind is VerdictKind.CONDITIONAL
    assert result.verdict.triggers[0].startswith("chat-1")


@pytest.mark.parametrize(
    ("suffix", "content", "reason"),
    [
        (".eval", b" " * 40_000_000, "unpacks to 40,000,000 bytes"),
        (".eval", b'{"messages": ' + b"[" * 5_000, "nested too deeply"),
        (".json", b'{"messages": ' + b"[" * 5_000, "nested too deeply"),
    ],
)
def test_a_log_that_is_small_on_disk_alone_is_refused(tmp_path, suffix, content, reason):
    file = tmp_path / f"log{suffix}"
    if suffix == ".eval":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("samples/1.json", content)
    else:
        file.write_bytes(content)
    with pytest.raises(InputError, match=reason):
        read_log_cues(file)
