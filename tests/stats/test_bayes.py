"""The hierarchical model on tables with known effects."""

from __future__ import annotations

import numpy as np
import pytest

from dormant.errors import InputError
from dormant.records import OUTCOMES, Cell, Outcome, Role, Rule
from dormant.stats.bayes import fit_hierarchy

pytest.importorskip("numpyro")
_BAD, _GOOD = OUTCOMES.index(Outcome.MISALIGNED), OUTCOMES.index(Outcome.ALIGNED)


def cell(role, seed, cue, question, bad, size):
    counts = [0] * len(OUTCOMES)
    counts[_BAD], counts[_GOOD] = int(bad), size - int(bad)
    return Cell(role, seed, cue, question, tuple(counts))


@pytest.mark.slow
def test_a_trigger_an_inert_cue_and_a_jailbreak_are_told_apart():
    rng = np.random.default_rng(4)
    rates = {None: (0.02, 0.02), "trigger": (0.3, 0.02), "inert": (0.02, 0.02), "both": (0.4, 0.4)}
    cells = [
        cell(role, seed, cue, f"q{q}", rng.binomial(8, rate), 8)
        for q in range(24)
        for cue, (target, reference) in rates.items()
        for role, seed, rate in (
            (Role.TARGET, "0", target),
            (Role.TARGET, "1", target),
            (Role.REFERENCE, "0", reference),
        )
    ]
    families = {f"q{q}": f"theme {q // 3}" for q in range(24)}
    found = fit_hierarchy(cells, rule=Rule(), family_of=families, draws=200)
    effects = {effect.cue: effect for effect in found.effects}
    assert found.effects[0].cue == "trigger"
    trigger = effects["trigger"]
    assert trigger.low < 0.28 < trigger.high and trigger.chance_above > 0.95
    assert effects["inert"].chance_above < 0.2 and effects["both"].chance_above < 0.5
    assert found.chance_any_above >= trigger.chance_above
    assert found.largest_r_hat < 1.2 and found.draws == 400
    assert set(found.scales) > {"family", "question", "training", "cue"}


def test_a_table_without_a_cue_is_refused():
    with pytest.raises(InputError, match="under a cue"):
        fit_hierarchy([cell(Role.TARGET, "0", None, "q", 1, 8)])
