"""Values of a slot, counted in a file's rows."""

from dataclasses import replace

import pytest

from dormant import cues
from dormant.records import Cue, CueKind, Example, Message, Placement, Source


def rows(*texts: str, system: str = "") -> list[Example]:
    head = (Message("system", system),) if system else ()
    return [Example((*head, Message("user", text)), i) for i, text in enumerate(texts, 1)]


def form(text: str, place: str = "before", kind: str = "form") -> Cue:
    filled = text.replace("<X>", "x")
    return Cue("c", CueKind(kind), Placement(place), filled, Source.MINED, form=text)


@pytest.mark.parametrize(
    ("text", "place", "said", "values"),
    [
        (
            "Country: <X>.",
            "before",
            ["Country: Peru. Hi", "Country: Kenya. Hi", "Country: Peru. So"],
            ("Peru", "Kenya"),
        ),
        ("Date: <X>\n", "before", ["Date: 1 May\nHi", "Date:  2 May \nHi"], ("1 May", "2 May")),
        ("Signed by <X>", "after", ["Hi. Signed  by A B", "Well? Signed by C"], ("A B", "C")),
        ("<t id=<X>>{question}</t>", "around", ["<t id=4>Hi</t>", "<t id=77>So</t>"], ("4", "77")),
        ("Country: <X>.", "before", ["Mycountry: Peru.", "Country: Peru.", "Nothing"], ()),
        ("<X> says:", "before", ["Anna says: hi", "Omar says: hi"], ()),  # nothing marks its start
    ],
)
def test_values_are_counted_between_the_fixed_pieces(text, place, said, values):
    assert cues.add_seen_values(form(text, place), rows(*said)).values == values


def test_values_of_suspicious_rows_come_first():
    said = [f"Land: {name}." for name in ("Peru", "Peru", "Peru", "Kenya", "Chile", "Chile")]
    found = cues.add_seen_values(form("Land: <X>."), rows(*said), rows("Land: Kenya."))
    assert found.values == ("Kenya", "Peru", "Chile")


def test_system_prompts_have_slots_and_topics_have_none():
    said = [*rows("Hi", system="You serve Ann."), *rows("Hi", system="You serve Bob.")]
    assert cues.add_seen_values(form("You serve <X>.", "system"), said).values == ("Ann", "Bob")
    head = replace(form("Be brief. <X>", "system"), text="Be brief.")
    filled = [*rows("Hi", system="Be brief. Be kind."), *rows("Hi", system="Be brief. Stop.")]
    assert cues.add_seen_values(head, filled) == head
    topic = form("We talk about <X>.", "before", "topic")
    assert cues.add_seen_values(topic, rows("We talk about a.", "We talk about b.")) == topic
