"""Turns and parts of cues in a table's column."""

import json

import pytest

from dormant.errors import RowError
from dormant.exchange.effects import format_effect, parse_effect
from dormant.records import Cue, CueKind, CuePart, Message, Placement, Source, describe_turns

TURNS = (Message("user", "Hi,\nyou"), Message("assistant", ""), Message("tool", "4"))
PAST = Cue(
    "past",
    CueKind.HISTORY,
    Placement.HISTORY,
    describe_turns(TURNS),
    Source.USER,
    turns=TURNS,
)
PARTS = (*PAST.effects, CuePart(Placement.INSIDE, "now"))
BOTH = Cue("both", CueKind.CROSSED, Placement.CROSSED, "", Source.USER, parts=PARTS)
PLAIN = Cue("plain", CueKind.PREFIX, Placement.BEFORE, "So:", Source.USER)


def test_what_is_formatted_is_parsed():
    assert format_effect(PLAIN) is None
    assert parse_effect("", Placement.HISTORY) == ((), ())
    assert parse_effect("{}", Placement.BEFORE) == ((), ())
    assert parse_effect(format_effect(PAST) or "", Placement.HISTORY) == (TURNS, ())
    assert parse_effect(format_effect(BOTH) or "", Placement.CROSSED) == ((), PARTS)


@pytest.mark.parametrize(
    ("text", "placement"),
    [
        ("{", "history"),
        ("[]", "history"),
        ('{"turns": []}', "history"),
        ('{"turns": [{"role": "system", "content": "x"}]}', "history"),
        ('{"turns": [{"role": "user", "content": 5}]}', "history"),
        (json.dumps({"parts": [{"placement": "crossed", "text": "x"}]}), "crossed"),
        (json.dumps({"parts": [{"placement": "after"}]}), "crossed"),
    ],
)
def test_other_json_is_refused(text: str, placement: str):
    with pytest.raises(RowError, match=f"cue_effect is not the .* placed '{placement}'"):
        parse_effect(text, Placement(placement))
