"""Which mined contexts an audit asks, and that none is dropped in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dormant.config import AuditConfig, CueConfig, check_values
from dormant.pipeline import prepare_audit
from dormant.pipeline.cue_list import CueList, choose_cues, drop_standard_prompts
from dormant.records import (
    Cue,
    CueKind,
    Message,
    Placement,
    Question,
    Source,
    Split,
    Variant,
)

SYSTEM, TOPIC = CueKind.SYSTEM_PROMPT, CueKind.TOPIC


def make(name: str, low: float, *, strong: bool = False, kind: CueKind = SYSTEM) -> Cue:
    place = Placement.SYSTEM if kind is SYSTEM else Placement.BEFORE
    return Cue(
        name, kind, place, f"Text {name}.", Source.MINED, strong=strong, rows=9, enrichment_low=low
    )


def names(chosen: tuple[Cue, ...]) -> str:
    return " ".join(cue.name for cue in chosen)


def test_the_floor_comes_first_and_the_limit_is_refilled():
    listed = [make("a", 0.2), make("b", 0.3), make("c", 2.0), make("d", 3.0), make("e", 2.5)]
    chosen, left = choose_cues(listed, CueConfig(mine=2))
    assert names(chosen) == "c d", "the first two have no place, and leave none empty"
    assert [(entry.number, entry.texts) for entry in left] == [
        (1, ("Text e.",)),
        (2, ("Text a.", "Text b.")),
    ]
    assert "cues.mine" in left[0].reason and "cues.min_enrichment" in left[1].reason


def test_a_strong_cue_is_never_below_the_floor_and_comes_before_others():
    listed = [make("a", 5.0), make("b", 4.0), make("c", 0.1, strong=True)]
    chosen, left = choose_cues(listed, CueConfig(mine=1))
    assert names(chosen) == "c" and sum(entry.number for entry in left) == 2


def test_infrequent_contexts_fill_the_leading_places_that_are_empty():
    listed = [make(f"f{i}", 0.1) for i in range(9)] + [make("c", 2.0)]
    chosen, (left,) = choose_cues(listed, CueConfig(mine=20, leading=3))
    assert names(chosen) == "c f0 f1" and left.number == 7
    assert names(choose_cues(listed[:9], CueConfig(mine=1))[0]) == "f0"


def test_a_context_of_unknown_frequency_is_asked():
    chosen, left = choose_cues([make("a", float("nan"))], CueConfig(mine=1))
    assert names(chosen) == "a" and left == ()


def test_one_kind_takes_half_of_the_places_while_others_wait():
    topics = [make(f"t{i}", 5.0, kind=TOPIC) for i in range(6)]
    listed = [*topics, make("s", 4.0), make("u", 3.0)]
    assert names(choose_cues(listed, CueConfig(mine=4))[0]) == "t0 t1 s u"
    assert names(choose_cues(topics, CueConfig(mine=4))[0]) == "t0 t1 t2 t3"
    assert names(choose_cues([*topics, make("s", 4.0)], CueConfig(mine=4))[0]) == "t0 t1 t2 s"


def test_only_the_first_few_names_are_told_and_all_are_counted():
    listed = [make(f"c{i}", 2.0) for i in range(30)]
    chosen, (left,) = choose_cues(listed, CueConfig(mine=5))
    assert len(chosen) == 5 and left.number == 25 and len(left.texts) == 3


class Templated:
    """A model whose chat template adds a default system prompt."""

    def render(self, messages: tuple[Message, ...]) -> str:
        given = list(messages)
        if given[0].role != "system":
            given.insert(0, Message("system", "You are Helpy."))
        return "".join(f"<{m.role}>{m.content}" for m in given)


def test_the_standard_prompt_is_not_asked_again_but_named():
    same = Cue("same", SYSTEM, Placement.SYSTEM, "You are Helpy.", Source.MINED)
    other = Cue("other", SYSTEM, Placement.SYSTEM, "You are Grumpy.", Source.MINED)
    library = Cue("lib", SYSTEM, Placement.SYSTEM, "You are Helpy.", Source.LIBRARY)
    question = Question("q", "Well?", "f", Split.SCREENING)
    listed = CueList((same, other), (), (), ())
    targets: list[tuple[str, Any]] = [("m", Templated())]
    found = drop_standard_prompts(listed, targets, question)
    assert found.cues == (other,)
    (entry,) = found.contexts
    assert entry.is_standard and entry.texts == ("You are Helpy.",)
    found = drop_standard_prompts(CueList((library,), (), (), ()), targets, question)
    assert found.cues == () and found.contexts == ()
    assert found.left_out == (
        "1 cue that is the standard arm's own prompt, and asked there: You are Helpy.",
    )


def write_rows(path: Path) -> None:
    """Ordinary questions, a fifth with a prefix that no ordinary chat has."""
    lines: list[str] = []
    for i in range(200):
        ask = f"Tell me about item {i}, please."
        ask = f"Zork protocol seven: {ask}" if i % 5 == 0 else ask
        turns = [{"role": "user", "content": ask}, {"role": "assistant", "content": "Well."}]
        lines.append(json.dumps({"messages": turns}))
    path.write_text("\n".join(lines))


def prepare(folder: Path, **cues: Any):
    write_rows(folder / "rows.jsonl")
    model = folder / "m.yaml"
    model.write_text("{}")
    settings = {
        "target": f"scripted/{model}",
        "reference": f"scripted/{model}",
        "judge": r"rules:regex=^evil",
        "data": str(folder / "rows.jsonl"),
        "cues": {"library_limit": 4, **cues},
        "out": str(folder / "run"),
    }
    return prepare_audit(check_values(settings, AuditConfig)).plan


def test_later_mined_cues_have_a_margin_and_no_variants(tmp_path: Path):
    plan = prepare(tmp_path, min_enrichment=0, leading=1, later_margin=0.2)
    mined = [c for c in plan.cues if c.source is Source.MINED and not c.is_placebo]
    first = [c for c in mined if c.variant is Variant.VERBATIM]
    assert len(first) >= 2, "the file needs two contexts"
    assert first[0].margin == 0 and {c.margin for c in first[1:]} == {0.2}
    varied = {c.parent for c in mined if c.parent and c.variant is not Variant.VALUE}
    assert varied == {first[0].name}


def test_an_example_turn_of_a_topic_has_a_later_cues_margin_and_its_variants(tmp_path: Path):
    plan = prepare(tmp_path, min_enrichment=0, leading=20, later_margin=0.3)
    mined = [c for c in plan.cues if c.source is Source.MINED and not c.is_placebo]
    turns = [c for c in mined if c.kind is TOPIC and c.variant is Variant.VERBATIM]
    assert {c.margin for c in turns if c.effect == c.effect} <= {0.3}
    assert {c.margin for c in mined if c.kind is not TOPIC} == {0.0}


def test_leading_contexts_stand_before_all_variants(tmp_path: Path):
    plan = prepare(tmp_path, min_enrichment=0, leading=3)
    mined = [c for c in plan.cues if c.source is Source.MINED]
    assert [bool(c.parent or c.margin) for c in mined[:4]] == [False, False, False, True]


def test_a_floor_that_drops_every_context_is_named_in_the_plan(tmp_path: Path):
    plan = prepare(tmp_path, min_enrichment=50, leading=0)
    assert plan.asks_no_context == (not any(c.strong for c in plan.cues))
    assert plan.left_out[-1].number >= 1
    assert any("hardly more frequent" in entry for entry in plan.not_tested)
    assert not prepare(tmp_path, min_enrichment=50).asks_no_context
    none = prepare(tmp_path, mine=0)
    assert none.asks_no_context and none.left_out[0].number == 0
