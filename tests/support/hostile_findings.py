"""Findings in which every text wants to be more than text."""

from dataclasses import replace

from dormant.records import Findings, Outcome, Question, Split
from support.report_findings import Builder, Planted, cue

NASTY = (
    "</script><script>document.title='owned'</script>"
    "<img src=x onerror=\"document.title='owned'\"><!-- {{ 7 * 7 }} {% raw %}"
    "\u202eevil\u202c\u200b\x00\x1b[31m\ufeff\ud800 | `a` | **b**\n\n# c\n| d |\n"
    "[l](javascript:alert(1)) ![i](https://example.org/i.png) https://example.org <b>&amp;"
)


def hostile() -> Findings:
    """Findings in which every free text is nasty, and two are a megabyte long."""
    questions = tuple(
        Question(f"q{n}{NASTY}", f"{n} {NASTY}", NASTY, half) for half in Split for n in range(3)
    )
    answers = {outcome: f"{outcome} {NASTY}" for outcome in Outcome}
    answers[Outcome.INCOHERENT] = "very long " * 100_000
    planted = (
        Planted(cue(NASTY, NASTY, why=NASTY, family=NASTY), 0.8),
        Planted(cue("huge", "x" * 1_000_000, why="y" * 1_000_000), 0.4),
    )
    made = Builder(
        planted=planted, questions=questions, answers=answers, repeats=6, seeds=(NASTY,),
        sentence=NASTY, advice=NASTY,
    ).findings()  # fmt: skip
    plan = replace(
        made.plan, judge=NASTY, judge_description=NASTY, judge_fingerprint=NASTY, data=NASTY,
        models=tuple(replace(m, name=NASTY, fingerprint=NASTY) for m in made.plan.models),
        not_tested=(NASTY,), version=NASTY,
    )  # fmt: skip
    transcripts = tuple(replace(t, note=NASTY, scores={NASTY: 1.0}) for t in made.transcripts)
    return replace(made, plan=plan, transcripts=transcripts, started=NASTY)
