"""Where answers are errors: how many, and of which training."""

from dataclasses import replace

from dormant.records import OUTCOMES, Outcome, Role
from dormant.report.failed_answers import describe_failed_answers
from dormant.report.view import View
from support.report_findings import Builder


def test_the_training_that_failed_is_named():
    found = Builder().findings()
    place = OUTCOMES.index(Outcome.ERROR)
    cells = tuple(
        replace(c, counts=tuple(sum(c.counts) * (i == place) for i in range(len(OUTCOMES))))
        if (c.role, c.seed) == (Role.TARGET, "1")
        else c
        for c in found.cells
    )
    rows = tuple(
        replace(t, outcome=Outcome.ERROR, note="gone")
        if (t.role, t.seed) == (Role.TARGET, "1")
        else t
        for t in found.transcripts
    )
    failed = sum(row.seed == "1" and row.role is Role.TARGET for row in rows)
    target, reference = describe_failed_answers(View(replace(found, cells=cells, transcripts=rows)))
    assert "of the target are errors (" in target and "(of the 2 trainings: seed 0 " in target
    assert f", seed 1 {failed:,}), most often: gone; the same command again asks only" in target
    assert "of the reference are errors (" in reference and "trainings" not in reference
