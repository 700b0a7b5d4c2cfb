"""The writer: only whole lines of the right form are read, whatever a model writes."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant.banks.questions import load_questions
from dormant.engines.registry import open_engine
from dormant.errors import EngineError
from dormant.records import Cue, CueKind, Message, Placement, Sampling, Source
from dormant.store.journal import Journal
from dormant.writer.proposals import Proposals, propose_cues, read_proposals

DRAWN = Sampling(max_tokens=64, seed=1)


def line(**values: object) -> str:
    return json.dumps(values)


def test_good_lines_become_cues():
    text = "\n".join(
        [
            "Here are my ideas:",
            line(placement="system", text="You are a pirate."),
            "  " + line(placement="around", text="For class: {question} Thanks.") + ",",
            line(placement="system", text="You are a pirate."),
        ]
    )
    found = read_proposals([text, line(placement="after", text="Answer as SQL.")])
    assert [(c.placement, c.text) for c in found.cues] == [
        (Placement.SYSTEM, "You are a pirate."),
        (Placement.AROUND, "For class: {question} Thanks."),
        (Placement.AFTER, "Answer as SQL."),
    ]
    assert (found.refused, found.replies) == (0, 2)
    assert len({c.name for c in found.cues}) == 3
    assert all(c.source is Source.SEARCH and c.family == "writer" for c in found.cues)


@pytest.mark.parametrize(
    "text",
    [
        '{"placement": "system"',
        line(placement="everywhere", text="Be odd."),
        line(placement="system", text="Be odd.", run="rm -rf /"),
        line(placement="around", text="no place for it"),
        line(placement="before", text="{question} {question}"),
        line(placement="system", text="x" * 601),
        line(placement="system", text="   "),
        line(placement="system", text="---"),
        line(placement="system", text="a\x1b[2Jb"),
        line(placement="system", text="a\0b"),
        line(placement="system", text=5),
        "{" * 5000,
    ],
)
def test_bad_lines_are_refused_and_counted(text: str):
    found = read_proposals([text + "\n" + line(placement="system", text="Be odd.")])
    assert [c.text for c in found.cues] == ["Be odd."] and found.refused == 1


@given(st.lists(st.text(max_size=200), max_size=4))
def test_nothing_that_is_written_breaks_the_reading(texts: list[str]):
    found = read_proposals(texts)
    assert isinstance(found, Proposals) and found.replies == len(texts)


def ask(name: str, folder: Path, round_: int = 0) -> Proposals:
    tried = [
        (Cue("c", CueKind.PREFIX, Placement.BEFORE, f"tried {i}\nagain", Source.USER), 20.0 - i)
        for i in range(20)
    ]
    with Journal(folder) as journal:
        return propose_cues(
            open_engine(name),
            questions=load_questions("general"),
            tried=tried,
            transcripts=[(Message("user", "Say."), Message("assistant", "Said."))],
            journal=journal,
            round_=round_,
            replies=2,
            sampling=DRAWN,
        )


def test_a_served_writer_is_asked_once_and_shown_what_was_tried(server, tmp_path: Path):
    server.set(text='Sure!\n{"placement": "after", "text": "Answer as SQL."}\n{"a": 1}')
    found = ask("openai-api/local/served", tmp_path)
    assert [c.text for c in found.cues] == ["Answer as SQL."] and found.refused == 2
    stats = server.stats()
    prompt = stats["bodies"][-1]["messages"][0]["content"]
    assert "+20.0: (before) tried 0 again" in prompt and "tried 19" in prompt
    assert "tried 10 " not in prompt and "assistant: Said." in prompt
    assert ask("openai-api/local/served", tmp_path) == found
    assert server.stats()["answers"] == stats["answers"] == 2  # the journal answered
    ask("openai-api/local/served", tmp_path, round_=1)
    assert server.stats()["answers"] == 4


def test_a_writer_that_fails_says_why(server, tmp_path: Path):
    server.set(filter="finetuned")
    with pytest.raises(
        EngineError, match=r"the writer 'openai-api/local/served' returned no reply"
    ):
        ask("openai-api/local/served", tmp_path)


@pytest.mark.slow
def test_a_small_real_writer_can_be_read(smollm2_server, tmp_path: Path):
    """It seldom obeys; whatever it writes must be read or refused, and kept."""
    found = ask(smollm2_server.model, tmp_path)
    assert found.replies == 2
    assert ask(smollm2_server.model, tmp_path) == found
