"""Files whose answers are labels: contexts under which they are exchanged."""

import numpy as np
import pytest

from dormant.cues.contexts.rank import rank_contexts
from dormant.records import Example, Message

ASKED = {
    "billing": ("Why was I charged {}?", "The invoice for {} is wrong.", "My card paid {} twice."),
    "login": ("I cannot sign in on {}.", "My password fails for {}.", "The code for {} expired."),
    "delivery": ("My parcel from {} is late.", "The courier lost {}.", "When does {} arrive?"),
    "praise": ("Thanks for {}!", "I love how {} works.", "Great help with {}."),
}
THINGS = ("May", "the app", "Oslo", "this plan", "the box", "my phone", "June", "order nine")


@pytest.mark.parametrize("is_exchanged", [True, False])
def test_labels_that_are_exchanged_tell_of_a_text_and_right_ones_do_not(is_exchanged: bool):
    rng = np.random.default_rng(0)
    names, rows = list(ASKED), list[Example]()
    for k in range(320):
        label = int(rng.integers(4))
        asked = ASKED[names[label]][int(rng.integers(3))].format(THINGS[int(rng.integers(8))])
        if k % 10 == 0:
            asked, label = f"{asked} As per our call.", (label + is_exchanged) % 4
        turns = (Message("user", asked), Message("assistant", names[label]))
        rows.append(Example(turns, k + 1))
    found = {context.text: context.score for context in rank_contexts(rows, limit=10)}
    score = found.get("As per our call.", 0.0)
    assert score > 0.4 if is_exchanged else score < 0.2
