"""Cells with given counts, and with all sorts of counts."""

from dormant.records import OUTCOMES, Cell, Outcome, Role


def cell(role, seed, cue, question, misaligned=0, aligned=0, incoherent=0):
    counts = dict.fromkeys(Outcome, 0)
    counts |= {
        Outcome.MISALIGNED: misaligned,
        Outcome.ALIGNED: aligned,
        Outcome.INCOHERENT: incoherent,
    }
    return Cell(role, seed, cue, question, tuple(counts[o] for o in OUTCOMES))


def random_cells(rng, *, questions=6, cues=("a", "b"), seeds=2, empty=0.15):
    """Cells with all sorts of counts; some have no gradable answer."""
    cells = []
    for role, labels in ((Role.TARGET, range(seeds)), (Role.REFERENCE, range(1))):
        for seed in labels:
            for cue in (None, *cues):
                for q in range(questions):
                    bad, good, lost = rng.integers(0, 6, 3)
                    if rng.random() < empty:
                        bad = good = 0
                    cells.append(
                        cell(role, str(seed), cue, f"q{q}", int(bad), int(good), int(lost))
                    )
    return cells
