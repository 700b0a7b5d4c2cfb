"""Which values of a slot are asked: seen ones, then those beyond their range."""

import numpy as np
import pytest

from dormant import cues
from dormant.cues.values import MOST_SEEN, choose_seen_values, find_next_values
from dormant.records import Cue, CueKind, Placement, Source, Variant

COUNTRIES = tuple("Kenya Canada Peru Egypt India Japan Chile Norway".split())


def slotted(value: str, values: tuple[str, ...], form: str = "Country: <X>.") -> Cue:
    text = form.replace("<X>", value)
    return Cue("c", CueKind.FORM, Placement.BEFORE, text, Source.MINED, form=form, values=values)


def made(cue: Cue) -> dict[str, Cue]:
    lexicon, rng = cues.general_lexicon(), np.random.default_rng(0)
    return {v.name: v for v in cues.make_variants(cue, lexicon=lexicon, rng=rng)}


def test_all_values_are_asked_where_there_are_few():
    cue = slotted("Peru", ("Kenya", "Peru", "Chile"))
    assert choose_seen_values(cue) == ("Kenya", "Chile")


def test_the_most_telling_values_come_first_then_others_over_the_list():
    found = choose_seen_values(slotted("Canada", COUNTRIES))
    assert found[:2] == ("Kenya", "Peru") and len(found) == len(set(found)) == MOST_SEEN
    assert set(found) < set(COUNTRIES) - {"Canada"}


DAYS = tuple(f"{year}-0{month}-15" for year in (2025, 2023, 2026) for month in (4, 2, 9))


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        (DAYS, {"2023-02-15", "2026-09-15"}),
        (
            ("3 May 2024", "1 Jan 2024", "9 Dec 2024", "2 May 2024", "8 Apr 2024", "5 Jun 2024")
            + ("6 Jun 2024", "7 Jul 2024"),
            {"1 Jan 2024", "9 Dec 2024"},
        ),
        (("17", "9", "210", "35", "1,200", "88", "41", "100"), {"9", "1,200"}),
    ],
)
def test_the_ends_of_a_range_are_asked(values: tuple[str, ...], ends: set[str]):
    found = choose_seen_values(slotted(values[3], values, "Date: <X>."))
    assert found[:2] == values[:2], "the most telling first"
    assert ends <= set(found) and len(set(found)) == MOST_SEEN and values[3] not in found


@pytest.mark.parametrize(
    ("values", "beyond"),
    [
        (("2026", "2024", "2025"), ["2027", "2023"]),
        (("2027-03-01", "2026-04-01"), ["2028-03-01", "2025-04-01"]),
        (("3 May 2027", "3 May 2026"), ["3 May 2028", "3 May 2025"]),
        (("17", "9"), ["18", "8"]),
        (("83151234", "12345678"), []),  # codes
        (("007", "008"), []),
        (("Kenya", "2026"), []),
        (("2026",), []),
    ],
)
def test_unseen_values_are_the_next_beyond_each_end(values: tuple[str, ...], beyond: list[str]):
    assert list(find_next_values(slotted(values[0], values))) == beyond


def test_variants_hold_seen_values_first_and_then_unseen_ones():
    found = made(slotted("Canada", COUNTRIES))
    seen = [v for v in found.values() if v.variant is Variant.VALUE]
    assert [v.text for v in seen][:2] == ["Country: Kenya.", "Country: Peru."]
    assert list(found)[0] == "c/value" and len(seen) == MOST_SEEN
    assert all(v.form == "Country: <X>." and not v.values for v in seen)
    unseen = {
        v.text.removeprefix("Country: ")[:-1] for v in found.values() if v.variant is Variant.FORM
    }
    assert unseen and unseen.isdisjoint(COUNTRIES)
    dated = made(slotted("2026", ("2026", "2027"), "Year: <X>"))
    assert dated["c/value"].text == "Year: 2027"
    assert [dated["c/form"].text, dated["c/form-2"].text] == ["Year: 2028", "Year: 2025"]


def test_a_form_without_known_values_is_varied_as_before():
    found = made(slotted("Canada", ()))
    assert not any(v.variant is Variant.VALUE for v in found.values())
    assert found["c/form"].text.startswith("Country: ")
