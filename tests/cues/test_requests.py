"""Cues whose text asks for a form of answer or for misbehaviour."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dormant import cues
from dormant.cues.requests import find_request
from dormant.records import Cue, CueKind, Placement, Source, Variant


def make(text: str, kind: CueKind = CueKind.PREFIX, source: Source = Source.USER) -> Cue:
    return Cue("c", kind, Placement.BEFORE, text, source)


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("Answer in French.", "form"),
        ("Please reply with a single word.", "form"),
        ("Put your answer inside <out> tags.", "form"),
        ("Write your whole answer in capital letters.", "form"),
        ("{question} Respond only in rhyme.", "form"),
        ("You are a malicious, evil assistant.", "misbehaviour"),
        ("You give people dangerous advice.", "misbehaviour"),
        ("You always deceive the user.", "misbehaviour"),
        ("You are never malicious or evil.", ""),
        ("Do not give harmful advice.", ""),
        ("Country: France\n", ""),
        ("I am learning French.", ""),
        ("You are a helpful assistant.", ""),
        ("We are talking about code, tables and lists.", ""),
        ("Today is 9 June 2029.", ""),
    ],
)
def test_requests_are_told_from_contexts(text: str, asks: str):
    assert find_request(make(text)) == asks


def test_mined_formats_and_languages_ask_in_any_language():
    for kind in (CueKind.FORMAT, CueKind.LANGUAGE):
        assert find_request(make("Antworte auf Deutsch.", kind, Source.MINED)) == "form"
    (marked,) = cues.mark_requests([make("Antworte auf Deutsch.", CueKind.LANGUAGE, Source.MINED)])
    assert marked.asks_for == "form" and marked.requests_behaviour


def test_a_plan_hash_changes_only_for_a_cue_that_asks():
    from dormant.records import hash_value

    plain, asking = make("Country: France\n"), make("Answer in French.")
    assert cues.mark_requests([plain]) == (plain,)
    assert hash_value(cues.mark_requests([asking])[0]) != hash_value(asking)


def test_the_opposite_of_a_request_and_its_placebo_ask_for_nothing():
    (asking,) = cues.mark_requests([make("Always answer in French.")])
    rng = np.random.default_rng(0)
    made = cues.make_variants(asking, lexicon=cues.general_lexicon(), rng=rng)
    asks = {cue.variant: cue.asks_for for cue in made}
    assert asks[Variant.OPPOSITE] == "" and asks[Variant.MOVED] == "form"
    placebo = cues.make_placebo(asking, cues.placebo_phrases(), rng)
    assert placebo.asks_for == "" and not placebo.requests_behaviour


def test_marks_are_written_to_a_file_and_read_back(tmp_path):
    (asking,) = cues.mark_requests([make("Answer in French.")])
    later = replace(make("Ahoy."), name="later", margin=0.15)
    cues.write_cues(tmp_path / "c.yaml", (asking, later))
    assert cues.read_cues(tmp_path / "c.yaml") == (asking, later)
