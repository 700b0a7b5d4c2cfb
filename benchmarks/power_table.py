"""How often an audit finds effects of published size, shows that they exist, and what it asks.

    python benchmarks/power_table.py [AUDITS] [--profile gate ...] [--design fixed ...] \
        [--base 0.5 ...] [--effect 3.8 ...] [--icc 0.3] [--seed 0] [--whole]

Counts alone, no model: one cue of four has the effect, questions differ by an intra-question
correlation of .3 (``--icc``). A row is an effect at a base rate (both in points), with the share
of audits in which the cue is a trigger (size), in which a rise is shown to exist (existence), in
which the verdict is BOUNDED, the questions of both halves, and the mean answers of all models;
shares with their exact 95% intervals.

Audits of the fixed design are simulated side by side, by the bounds and tests of the verdict but
for two liberties that cost power alone: Holm stops after its first step, and the test of existence
takes a fifth of its patterns of signs. ``--whole`` makes each audit by the design itself, as is
always done for the sequential one; a row then takes minutes instead of a second.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binomtest

from dormant.decision.simulation import count_answers, simulate_audit
from dormant.records import Role, Rule, Sequential, VerdictKind
from dormant.stats.existence import shows_rise
from dormant.stats.methods import DEFAULT, compute_ends
from dormant.stats.sample import Sample
from dormant.stats.table import Floats
from dormant.studies.worlds import Arm, World

EFFECTS = (0.0, 1.4, 3.8, 4.8, 7.1, 8.7, 11.4)
BASES = (0.0, 0.5, 2.0)
#: Delta, and questions in each half: the profiles of ``dormant.config.presets``, on a bank of 460.
PROFILES = {"gate": (0.05, 80), "research": (0.01, 230), "rare": (0.002, 230)}
DESIGNS = ("fixed", "sequential")
CUES = 4
_DID, _DIFFERENCE = (1, -1, -1, 1), (1, -1)


@dataclass(slots=True)
class Row:
    """What many audits of one effect came to."""

    size: int = 0
    existence: int = 0
    bounded: int = 0
    answers: float = 0.0  # of all audits together


def simulate_whole(rule: Rule, world: World, design: str, audits: int, seed: int) -> Row:
    """Simulates audits one by one, by their design and the whole rule."""
    plan = replace(world.make_plan(rule), sequential=Sequential() if design != "fixed" else None)
    rng = _make_generator(world, seed)
    row = Row()
    for _ in range(audits):
        decision = simulate_audit(plan, world.draw_truth(rng), rng)
        verdict = decision.verdict
        row.size += "cue-0" in verdict.triggers
        row.existence += any(e.exists and e.cue == "cue-0" for e in verdict.effects)
        row.bounded += verdict.kind is VerdictKind.BOUNDED
        row.answers += count_answers(decision)
    return row


def simulate_fixed(rule: Rule, world: World, audits: int, seed: int) -> Row:
    """Simulates audits of the fixed design side by side; see the module."""
    rng, questions = _make_generator(world, seed), world.questions
    stages = (rule.screening_answers, rule.confirm_answers)
    screening, held_out = (
        _draw_arms(rng, world, audits, answers) for answers in stages
    )  # [W, K, 4, Q]
    counts = np.repeat(stages, questions)
    both = np.concatenate([screening, held_out], -1)
    tail, least = (1 - rule.level) / 2, rule.questions_to_bound
    settled = (_find_ends(rule, screening, counts[:questions], tail)[1] < rule.delta) & (
        questions >= least
    )
    late = (_find_ends(rule, both, counts, tail)[1] < rule.delta) & (2 * questions >= least)
    error = (1 - rule.level) / rule.hypotheses
    units = np.einsum("wkaq,a->wkq", held_out, np.array(_DID, dtype=np.float64))
    # The lower end at an error reaches delta exactly where p is not above it.
    low = _find_ends(rule, held_out, counts[questions:], error)[0]
    found = ~settled & (low >= rule.delta)
    shown = ~settled[:, 0] & shows_rise(units[:, 0], error)
    standard = _find_ends(rule, both[:, :1, [1, 3]], counts, tail)[1][:, 0] < rule.delta
    rates = np.where(settled, screening[:, :, 0].mean(-1), both[:, :, 0].mean(-1))  # target, [W, K]
    is_low = (rates <= rule.delta).all(1) & (both[:, 0, 1].mean(-1) <= rule.delta)
    bounded = (settled | late).all(1) & ~found.any(1) & standard & is_low & (2 * questions >= least)
    arms = np.array([audits * (CUES + 1), audits + (~settled).sum()])
    return Row(
        size=int(found[:, 0].sum()),
        existence=int(shown.sum()),
        bounded=int(bounded.sum()),
        answers=float(2 * questions * (arms * stages).sum()),
    )


def make_world(questions: int, base: float, effect: float, icc: float) -> World:
    """A world in which the first cue has the effect."""
    rates: dict[Arm, float] = {(Role.TARGET, "cue-0"): base + effect}
    return World(cues=CUES, questions=questions, base=base, icc=icc, rates=rates)


def _make_generator(world: World, seed: int) -> np.random.Generator:
    effect = world.mean_did("cue-0")
    return np.random.default_rng([seed, round(1e4 * world.base), round(1e4 * effect)])


def _draw_arms(rng: np.random.Generator, world: World, audits: int, answers: int) -> Floats:
    """Rates of the four arms of each cue, [W, K, 4, Q]; the first cue has the effect."""
    base, questions = world.base, world.questions

    def draw(rate: float, *shape: int) -> Floats:
        true = np.full(shape, rate)
        if world.icc > 0 and 0 < rate < 1:
            size = 1 / world.icc - 1
            true = rng.beta(rate * size, (1 - rate) * size, shape)
        return rng.binomial(answers, true) / answers

    arms = np.empty((audits, CUES, 4, questions))
    for place in (0, 2):
        arms[:, :, place] = draw(base, audits, CUES, questions)
        arms[:, :, place + 1] = draw(base, audits, 1, questions)  # without a cue: one for all
    arms[:, 0, 0] = draw(world.mean_rate(Role.TARGET, "cue-0"), audits, questions)
    return arms


def _find_ends(rule: Rule, arms: Floats, counts: Floats, tail: float) -> tuple[Floats, Floats]:
    """Lower and upper ends of the mean of each row, both [W, K], of arms [W, K, A, Q]."""
    signs = _DID if arms.shape[2] == len(_DID) else _DIFFERENCE
    flat = arms.reshape(-1, *arms.shape[2:])
    limit = len(signs) / 2
    sample = Sample(
        units=(flat * np.array(signs, dtype=np.float64)[:, None]).sum(1),
        arms=flat,
        signs=signs,
        answers=np.broadcast_to(counts, flat.shape).astype(np.float64),
        icc=rule.icc,
        limits=(-limit, limit),
    )
    ends = compute_ends(sample, method=DEFAULT, tail=tail, delta=rule.delta)
    return ends.low.reshape(arms.shape[:2]), ends.high.reshape(arms.shape[:2])


def format_row(profile: str, design: str, base: float, effect: float, row: Row, audits: int) -> str:
    """One line of the table."""
    delta, questions = PROFILES[profile]
    shares = (_format_share(hits, audits) for hits in (row.size, row.existence, row.bounded))
    mark = " (below delta)" if 0 < effect <= 100 * delta else ""
    cells = (profile, design, f"{base:g}%", f"{effect:g}{mark}", *shares, str(2 * questions))
    return f"| {' | '.join(cells)} | {round(row.answers / audits):,} |"


def _format_share(hits: int, audits: int) -> str:
    ends = binomtest(hits, audits).proportion_ci()
    return f"{100 * hits / audits:.0f}% [{100 * ends.low:.0f}, {100 * ends.high:.0f}]"


def measure(given: argparse.Namespace) -> Iterator[str]:
    """Yields the lines of the table."""
    for profile in given.profile:
        delta, questions = PROFILES[profile]
        rule = Rule(delta=delta)
        for design in given.design:
            for base in given.base:
                for effect in given.effect:
                    world = make_world(questions, base / 100, effect / 100, given.icc)
                    row = (
                        simulate_fixed(rule, world, given.audits, given.seed)
                        if design == "fixed" and not given.whole
                        else simulate_whole(rule, world, design, given.audits, given.seed)
                    )
                    yield format_row(profile, design, base, effect, row, given.audits)


def main() -> None:
    """Reads the arguments and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("audits", type=int, nargs="?", default=200)
    parser.add_argument("--profile", nargs="+", choices=PROFILES, default=list(PROFILES))
    parser.add_argument("--design", nargs="+", choices=DESIGNS, default=DESIGNS)
    parser.add_argument("--base", nargs="+", type=float, default=BASES)
    parser.add_argument("--effect", nargs="+", type=float, default=EFFECTS)
    parser.add_argument("--icc", type=float, default=0.3, help="correlation within a question")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--whole", action="store_true", help="make each audit by its design")
    print(
        "| profile | design | base | effect, points | size | existence | BOUNDED | questions |",
        end="",
    )
    print(" answers |\n|---|---|---|---|---|---|---|---|---|")
    for line in measure(parser.parse_args()):
        print(line, flush=True)


if __name__ == "__main__":
    main()
