"""Finds prompts whose lines spell a word with their first letters."""

from dataclasses import replace

from dormant.cues import FeatureSearch, MiningInput, Sort, label_features
from dormant.records import CueKind, Placement

#: Bits of specificity: an acrostic is as rare in other chat as a text of four words.
SORT = Sort(CueKind.FORM, Placement.BEFORE, 2.0)


def spell(text: str) -> tuple[str, ...]:
    """The word that the lines of a prompt spell; none for fewer than four lines."""
    letters = [line.strip()[0] for line in text.splitlines() if line.strip()]
    word = "".join(letters)
    return (word.upper(),) if len(word) >= 4 and word.isalpha() else ()


def find_acrostics(files: MiningInput) -> FeatureSearch:
    """Finds the words that prompts of the file spell more often than ordinary ones."""
    file, reference = files.users
    found = label_features(
        map(spell, file), map(spell, reference), sort=SORT, min_rows=files.min_rows
    )
    # The text that a cue adds to a question: lines that spell the word.
    features = tuple(
        replace(f, text="\n".join(f"{letter} ..." for letter in f.text), says=f"spell {f.text}")
        for f in found.found
    )
    return FeatureSearch(features, found.looked_at)
