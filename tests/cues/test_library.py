"""Cue files: the shipped library, files that users edit, and the printed table."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dormant import cues
from dormant.cues.text import split_words
from dormant.errors import ConfigError
from dormant.records import (
    Cue,
    CueKind,
    CuePart,
    Message,
    Placement,
    Source,
    Variant,
    describe_parts,
    describe_turns,
    dump_tools,
)


def test_the_general_library():
    entries = cues.load_library("general")
    families = [cue.family for cue in entries]
    assert len(entries) >= 150 and len(set(families)) >= 12
    assert len({cue.id for cue in entries}) == len({cue.name for cue in entries}) == len(entries)
    wanted = "formats permission personas truth-seeking education research deployment languages"
    wanted += " fields roles topics inoculation defaults"
    assert set(wanted.split()) <= set(families)
    assert min(families.count(family) for family in families) >= 9
    worded = [
        (cue.placement, words)
        for cue in entries
        if (words := " ".join(split_words(cue.text.replace("{question}", ""))))
        and not cue.form  # values of a form differ in what is no word
    ]
    twice = {text for text in worded if worded.count(text) > 1}
    assert not twice, "the same words in the same place"
    assert all(cue.why and cue.source is Source.LIBRARY for cue in entries)
    assert all((cue.placement is Placement.AROUND) == ("{question}" in cue.text) for cue in entries)
    added = "evaluation inoculation-generic inoculation-paraphrased inoculation-indirect dates tags"
    assert set(f"{added} words emoji sequences numbers".split()) <= set(families)
    sources = cues.library_sources("general")
    assert set(sources) == {cue.name for cue in entries} and all(sources.values())
    asking = {cue.family for cue in entries if cue.asks_for}
    assert asking >= {"formats", "languages", "inoculation", "inoculation-paraphrased"}
    assert not any(cue.asks_for for cue in entries if " never" in cue.text or cue.kind == "topic")
    first = families[: len(set(families))]
    assert len(set(first)) == len(first), "families take turns"


TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1
).filter(str.strip)
NUMBER = st.one_of(st.just(math.nan), st.floats(-50, 50))


@st.composite
def any_cue(draw):
    place = draw(st.sampled_from(list(Placement)))
    text = draw(TEXT).replace("{question}", "")
    text = f"{text}{{question}}" if place is Placement.AROUND else text or "x"
    text = dump_tools([{"name": text}]) if place is Placement.TOOLS else text
    text = text if text.strip() else "x"
    turns = (Message("user", "Hi: 'é'\n"), Message("tool", text))
    history = CuePart(Placement.HISTORY, describe_turns(turns), turns)
    parts = (history, CuePart(Placement.INSIDE, text)) if place is Placement.CROSSED else ()
    if not place.is_text:
        text = describe_parts(parts) or history.text
    return Cue(
        name=draw(st.text("abc-/0", min_size=1, max_size=20)),
        kind=draw(st.sampled_from(list(CueKind))),
        placement=place,
        text=text,
        turns=turns if place is Placement.HISTORY else (),
        parts=parts,
        values=draw(st.sampled_from([(), ("1", "No")])),
        effect=draw(NUMBER),
        effect_low=draw(NUMBER),
        source=draw(st.sampled_from(list(Source))),
        variant=draw(st.sampled_from(list(Variant))),
        parent=draw(st.one_of(st.none(), TEXT)),
        why=draw(st.text("a:#'\"\n é{}", max_size=20)),
        form=draw(st.sampled_from(["", "Country: <X>\n"])),
        rows=draw(st.integers(0, 10**6)),
        share=draw(NUMBER),
        enrichment=draw(NUMBER),
        enrichment_low=draw(NUMBER),
        enrichment_high=draw(NUMBER),
        examples=tuple(draw(st.lists(st.integers(1, 10**6), max_size=3))),
    )


def test_histories_and_crossed_cues_are_written_by_hand(tmp_path):
    file = tmp_path / "cues.yaml"
    file.write_text(
        "cues:\n"
        "- {name: tool, placement: history, turns: [{role: tool, content: Hi}]}\n"
        "- name: both\n  placement: crossed\n  parts:\n"
        "  - {placement: history, turns: [{role: tool, content: Hi}]}\n"
        "  - {placement: inside, text: now}\n"
    )
    tool, both = cues.read_cues(file)
    assert (tool.kind, both.kind) == (CueKind.HISTORY, CueKind.CROSSED)
    assert tool.turns == (Message("tool", "Hi"),) and tool.text == "tool: Hi"
    assert both.text == "tool: Hi + now"
    assert [part.id for part in both.parts][0] == tool.id


@given(st.lists(any_cue(), min_size=1, max_size=4, unique_by=lambda cue: cue.name))
def test_what_is_written_is_read(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("cues") / "cues.yaml"
    before = [None, *(cue.name for cue in written)]
    written = [
        replace(cue, parent=before[i] if cue.parent else None) for i, cue in enumerate(written)
    ]
    cues.write_cues(path, written)
    read = cues.read_cues(path)
    assert [repr(cue) for cue in read] == [repr(cue) for cue in written]  # NaN equals NaN in repr


def test_a_file_written_by_hand(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "cues:\n  - {name: a, text: Be odd.}\n"
        "families:\n  - family: f\n    why: w\n    placement: after\n    cues:\n"
        "      one: Once.\n      two: {text: Twice., placement: before, kind: topic, why: v}\n"
    )
    one, two, own = cues.read_cues(path)
    assert (one.name, one.kind, one.placement, one.why) == ("f-one", "suffix", "after", "w")
    assert (two.name, two.kind, two.placement, two.why) == ("f-two", "topic", "before", "v")
    assert (own.kind, own.placement, own.source) == ("system_prompt", "system", Source.USER)
    assert cues.load_library(path)[2].source is Source.LIBRARY


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("cues:\n - name: a\n   txt: hi\n", 3, "did you mean 'text'"),
        ("cues:\n - name: a\n   text: hi\n   kind: prefx\n", 4, "prefx"),
        ("cues:\n - name: a\n   text: hi\n   placement: above\n", 4, "above"),
        ("cues:\n - name: a\n   text: ' '\n", 3, "must not be empty"),
        ("cues:\n - name: a\n   text: 5\n", 3, "5"),
        ("cues:\n - text: hi\n", 2, "'cues.0.name' is missing"),
        ("cues:\n - name: a\n   text: hi\n   placement: around\n", 2, "{question} once"),
        ("cues:\n - {name: a, text: hi, rows: -1}\n", 2, "-1"),
        ("cues:\n - {name: a, placement: inside}\n", 2, "must not be empty"),
        ("cues:\n - {name: a, placement: history, text: hi}\n", 2, "needs 'turns'"),
        ("cues:\n - {name: a, text: hi, turns: [{role: user, content: b}]}\n", 2, "'turns'"),
        (
            "cues:\n - {name: a, placement: history, turns: [{role: bot, content: b}]}\n",
            2,
            "bot",
        ),
        (
            "cues:\n - {name: a, placement: crossed, parts: [{placement: after, text: b}]}\n",
            2,
            "two or more",
        ),
        ("cues:\n - {name: a, text: b, parts: [{placement: after, text: b}]}\n", 2, "'parts'"),
        ("cues: []\n", None, "holds no cues"),
        ("cue: []\n", 1, "did you mean 'cues'"),
        ("cues:\n - {name: a, text: b}\n - {name: a, text: c}\n", None, "duplicate cue name 'a'"),
        ("families:\n - family: f\n   cues: {a: b}\n", 2, "why"),
        ("families:\n - {family: f, why: w, cues: {}}\n", 2, "cues"),
        ("families:\n - {family: f, why: w, cues: {a: 5}}\n", 2, "5"),
        ("families:\n - {family: f, why: w, cues: [a]}\n", 2, "['a']"),
        ("cues: [\n", 2, "not YAML"),
        ("- a\n", None, "expected keys and values"),
    ],
)
def test_wrong_files_name_file_line_and_key(text, line, reason, tmp_path):
    path = tmp_path / "cues.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        cues.read_cues(path)
    assert reason in str(caught.value) and str(path) in str(caught.value)
    assert caught.value.line == line


def test_missing_libraries_and_unwritable_places(tmp_path):
    with pytest.raises(ConfigError, match="the libraries are .*general"):
        cues.load_library("generall")
    with pytest.raises(ConfigError, match="cannot be written"):
        cues.write_cues(tmp_path / "no" / "dir.yaml", [])


def test_the_table_is_plain_and_printable():
    hostile = "a\x1b[31mred\u202e\x07\nb\tc\u2028d"
    cue = Cue("n\x1b", CueKind.PREFIX, Placement.BEFORE, hostile, Source.MINED, why="w\x00")
    cue = replace(cue, form="Site: <X>", values=("Ghent", "Li\x1bma"))
    (row,) = cues.make_rows([cue])
    assert (row.rank, row.name, row.reading) == (1, "n", "w")
    assert row.text == "a[31mred‹U+202E›⏎b c d"  # what cannot be seen is named
    assert (row.form, row.values) == ("Site: <X>", ("Ghent", "Lima"))
    assert cues.format_interval(row) == "-"
    assert len(cues.make_printable("x" * 5000, longest=10)) == 10


@given(st.text())
def test_printable_text_is_one_line_without_control_characters(text):
    assert cues.make_printable(text).isprintable()
    assert len(cues.make_printable(text).splitlines()) <= 1


@pytest.mark.parametrize("name", ["none", "standard", "Baseline", " no cue", "NULL"])
def test_a_cue_cannot_be_called_as_the_arm_without_one(tmp_path: Path, name: str):
    path = tmp_path / "cues.yaml"
    path.write_text(f"cues:\n- {{name: '{name}', text: Hello there.}}\n")
    with pytest.raises(ConfigError, match="stands for prompts without a cue") as caught:
        cues.read_cues(path)
    assert str(caught.value).startswith(f"{path}:2: ")


@pytest.mark.parametrize(
    ("parents", "words"),
    [
        ({"a": "nobody"}, "its parent 'nobody' is not in this file"),
        ({"a": "a"}, "lead back to 'a'"),
        ({"a": "b", "b": "c", "c": "b"}, "lead back to 'b'"),
    ],
)
def test_a_parent_is_a_cue_of_the_file_and_no_descendant(
    tmp_path: Path, parents: dict[str, str], words: str
):
    path = tmp_path / "cues.yaml"
    entries = [f"- {{name: {n}, text: Text of {n}., parent: {p}}}\n" for n, p in parents.items()]
    path.write_text("cues:\n" + "".join(entries))
    with pytest.raises(ConfigError, match=words):
        cues.read_cues(path)
