"""A hundred thousand judged completions through a whole audit: memory, speed, and exact extension.

Run ``python benchmarks/store_scale.py [ANSWERS MORE] [--json]``: two scripted models, 28 screening
questions, 17 cues and the standard arm, ANSWERS answers a cell (100: 100,800 completions), then
the same audit extended to MORE answers a cell (300). It prints one line a measure:

- judged completions per second, in wall time and in CPU time, sampling and judging together;
- the rate of the last fifth of the answers over that of the first fifth (CPU time: the machine
  may be busy with other work), for sampling and for judging;
- the peak of the resident memory, the report included;
- answers bought by the extension, counted in the engine's own ledger.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from dormant.config import AuditConfig, check_values
from dormant.pipeline.audit import run_audit
from dormant.store import Store

_SCRIPT = """
rates: {{misaligned: 0.01, incoherent: 0.02}}
cues: [{{contains: "class", rates: {{misaligned: {cued}}}}}]
ledger: {ledger}
"""


@dataclass
class Watch:
    """Progress of a run with clocks: told by ``run_audit``, reads memory on the way."""

    #: (stage kind, subject stage, answers done, CPU seconds) at each call
    marks: list[tuple[str, str, int, float]] = field(default_factory=list)
    peak: int = 0  # bytes of resident memory
    _next: float = 0.0

    def __call__(self, stage: str, done: float, total: int) -> None:
        """Notes how far a stage is."""
        kind = "judging" if "judgements" in stage else "sampling"
        self.marks.append((kind, stage, done, time.process_time()))
        if time.monotonic() >= self._next:
            self.look()

    def look(self) -> None:
        """Notes the memory in use."""
        self.peak = max(self.peak, psutil.Process().memory_info().rss)
        self._next = time.monotonic() + 0.05

    def steps(self, kind: str) -> list[tuple[int, float]]:
        """(answers, CPU seconds) of each step between two calls of one stage."""
        pairs = zip(self.marks, self.marks[1:], strict=False)
        return [
            (after[2] - before[2], after[3] - before[3])
            for before, after in pairs
            if before[0] == after[0] == kind and before[1] == after[1] and after[2] > before[2]
        ]

    def steadiness(self, kind: str) -> float:
        """Rate of the last fifth of the answers over that of the first fifth."""
        steps = self.steps(kind)
        fifth = sum(answers for answers, _ in steps) / 5
        return _rate(steps[::-1], fifth) / _rate(steps, fifth)


def _rate(steps: list[tuple[int, float]], wanted: float) -> float:
    answers, seconds = 0, 0.0
    for more, cost in steps:
        answers, seconds = answers + more, seconds + cost
        if answers >= wanted:
            break
    return answers / max(seconds, 1e-9)


def config(
    folder: Path, answers: int, *, cues: int = 17, questions: int | None = 28
) -> AuditConfig:
    """The audit: scripted models, a rules judge, and a rule that confirms nothing."""
    for name, cued in (("target", 0.02), ("reference", 0.01)):
        text = _SCRIPT.format(cued=cued, ledger=folder / f"{name}.sold")
        (folder / f"{name}.yaml").write_text(text)
    given = {
        "target": f"scripted/{folder / 'target.yaml'}",
        "reference": f"scripted/{folder / 'reference.yaml'}",
        "judge": r"rules:regex=^\[misaligned\]",
        "questions": "general",
        "design": "fixed",  # so the number of answers is known
        "question_limit": questions,
        "cues": {"library": "general", "library_limit": cues},
        # A wide delta: screening settles every cue, so the number of answers is known.
        "rule": {"screening_answers": answers, "confirm_answers": 8, "delta": 0.3},
        "out": str(folder / "run"),
    }
    return check_values(given, AuditConfig)


def sold(folder: Path) -> Counter[str]:
    """Every answer that the engines gave, counted."""
    lines: Counter[str] = Counter()
    for path in folder.glob("*.sold"):
        lines.update(path.read_text().splitlines())
    return lines


@dataclass(frozen=True)
class Measure:
    """What one run took."""

    answers: int  # a cell
    held: int  # completions on disk in the end
    new: int  # answers bought by this run
    twice: int  # answers bought more than once, ever
    wall: float  # seconds
    cpu: float  # seconds
    sampling: float  # last fifth's rate over the first fifth's
    judging: float
    peak: int  # bytes of resident memory
    verdict: str


def measure(folder: Path, answers: int, *, amend: bool) -> Measure:
    """Runs the audit, or extends it, and measures it."""
    watch, wall, cpu, before = Watch(), time.monotonic(), time.process_time(), sold(folder).total()
    result = run_audit(config(folder, answers), progress=watch, amend=amend)
    watch.look()
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    bought = sold(folder)
    with Store(folder / "run") as store:
        held = store.count_answers()
    return Measure(
        answers=answers,
        held=held,
        new=bought.total() - before,
        twice=bought.total() - len(bought),
        wall=wall,
        cpu=cpu,
        sampling=watch.steadiness("sampling"),
        judging=watch.steadiness("judging"),
        peak=watch.peak,
        verdict=str(result.verdict.kind),
    )


def main() -> None:
    sizes = [int(word) for word in sys.argv[1:] if word.isdigit()] or [100, 300]
    with tempfile.TemporaryDirectory() as name:
        done = [measure(Path(name), size, amend=size != sizes[0]) for size in sizes]
    if "--json" in sys.argv:
        print(json.dumps([asdict(one) for one in done]))
        return
    for one in done:
        print(
            f"{one.answers} answers a cell: {one.held:,} on disk, {one.new:,} bought now, ", end=""
        )
        print(f"{one.twice} twice")
        print(f"  {one.wall:.1f} s wall, {one.cpu:.1f} s CPU: ", end="")
        print(f"{one.new / one.wall:,.0f} and {one.new / one.cpu:,.0f} a second")
        print(f"  last fifth over first: {one.sampling:.2f} sampling, {one.judging:.2f} judging")
        print(f"  peak memory {one.peak / 1e6:,.0f} MB, verdict {one.verdict}")


if __name__ == "__main__":
    main()
