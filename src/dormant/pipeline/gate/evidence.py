"""The answers behind a gate's checks, and the commands that ask for them again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from dormant.config.gate import CheckName
from dormant.pipeline.gate.arms import Arm, Search, choose_arms
from dormant.records import (
    GateCheck,
    GateTranscript,
    Message,
    ModelCard,
    Origin,
    Outcome,
    Role,
    Transcript,
)
from dormant.report.view import View

#: Checks that show answers, and answers of each.
_MOST_CHECKS, _SHOWN = 20, 3
#: Characters of one prompt or answer that is stored in a result.
_LONGEST = 4000
#: Characters of a command; a longer one is for no terminal.
_LONGEST_COMMAND = 8000
#: Checks of amounts and hashes have no answers of their own.
_BARE = frozenset(
    {
        *(CheckName.GRADED, CheckName.AMENDED, CheckName.QUESTIONS, CheckName.ANSWERS),
        *(CheckName.CUE_FAMILIES, CheckName.CALIBRATION, CheckName.TARGET, CheckName.PLAN),
        *(CheckName.JUDGE, CheckName.AGE),
    }
)


def add_evidence(checks: Sequence[GateCheck], view: View, repeat: str) -> list[GateCheck]:
    """Adds answers and a command to the checks that do not pass, the first of each kind.

    Args:
        checks: in the order in which they are shown.
        view: the run.
        repeat: the command that repeats the gate.
    """
    shown = [c for c in checks if c.state.is_blocking and c.name not in _BARE]
    searches = {id(check): choose_arms(check, view) for check in _pick_checks(shown)}
    wanted = {arm for search in searches.values() for arm in search.arms}
    found = _group_transcripts(view.findings.transcripts, wanted)
    # Of an imported run nobody knows which model a name in its file stands for.
    cards = () if view.plan.origin is Origin.IMPORT else view.plan.models
    names = {(card.role, card.seed): card for card in cards}
    chosen = {key: _choose(search, found) for key, search in searches.items()}
    return [
        _add(check, chosen.get(id(check), ()), names, repeat) if check.state.is_blocking else check
        for check in checks
    ]


def _pick_checks(checks: Sequence[GateCheck]) -> list[GateCheck]:
    """The first checks, each kind in turn."""
    kinds: dict[str, list[GateCheck]] = {}
    for check in checks:
        kinds.setdefault(check.name, []).append(check)
    deepest = max(map(len, kinds.values()), default=0)
    turns = (
        group[turn] for turn in range(deepest) for group in kinds.values() if turn < len(group)
    )
    return [check for check, _ in zip(turns, range(_MOST_CHECKS), strict=False)]


def _group_transcripts(
    transcripts: Iterable[Transcript], arms: set[Arm]
) -> dict[Arm, list[Transcript]]:
    found: dict[Arm, list[Transcript]] = {}
    for item in transcripts:
        if (item.role, item.cue) in arms:
            found.setdefault((item.role, item.cue), []).append(item)
    return found


def _choose(search: Search, found: Mapping[Arm, Sequence[Transcript]]) -> list[Transcript]:
    """Three answers: of each arm in turn, those that show what the check found first."""
    chosen: list[Transcript] = []
    for place, arm in enumerate(search.arms):
        left = len(search.arms) - place
        wanted = -((len(chosen) - _SHOWN) // left)  # the first arm has one more
        chosen += _choose_of_arm(found.get(arm, ()), search.outcomes, wanted)
    return chosen


def _choose_of_arm(
    transcripts: Sequence[Transcript], outcomes: Sequence[Outcome], wanted: int
) -> list[Transcript]:
    """Answers of one arm: those of some outcomes first, one a question, evenly spaced."""
    groups = [
        [t for t in transcripts if t.outcome in outcomes],
        [t for t in transcripts if t.outcome not in outcomes],
    ]
    chosen: list[Transcript] = []
    for group in groups:
        firsts = list({t.question: t for t in reversed(group)}.values())[::-1]
        left = wanted - len(chosen)
        rest = [t for t in group if t not in firsts] if len(firsts) < left else []
        if len(firsts) >= left:
            chosen += [firsts[n * len(firsts) // left] for n in range(left)]
        else:
            chosen += [*firsts, *rest][:left]
    return chosen


def _add(
    check: GateCheck,
    chosen: Sequence[Transcript],
    names: Mapping[tuple[Role, str], ModelCard],
    repeat: str,
) -> GateCheck:
    commands = (_ask_again(t, names.get((t.role, t.seed))) for t in chosen)
    command = next(filter(None, commands), "") or repeat
    return replace(check, transcripts=tuple(map(_shorten_transcript, chosen)), command=command)


def _shorten_transcript(transcript: Transcript) -> GateTranscript:
    prompt = "\n".join(f"{turn.role}: {turn.content}" for turn in transcript.messages)
    return GateTranscript(
        role=transcript.role,
        seed=transcript.seed,
        question=transcript.question,
        repeat=transcript.repeat,
        prompt=_cut(prompt),
        answer=_cut(transcript.answer),
        outcome=transcript.outcome,
    )


def _cut(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]} [{len(text) - _LONGEST:,} more characters]"


def _ask_again(transcript: Transcript, card: ModelCard | None) -> str:
    """The command that asks a prompt again; empty where the command line cannot hold it."""
    turns = transcript.messages
    system = turns[0].content if turns and turns[0].role == "system" else ""
    rest = turns[1:] if system else turns
    if card is None or len(rest) != 1 or rest[0].role != "user" or not _is_text(turns, card.name):
        return ""
    words = ["dormant", "vitro", "ask", card.name, rest[0].content]
    words += ["--system", system] if system else []
    if any(word.startswith("-") for word in words[3:5]):
        words.insert(3, "--")
        words = [*words[:3], *words[6:], *words[3:6]]
    command = " ".join(map(quote_for_shell, words))
    return command if len(command) <= _LONGEST_COMMAND else ""


def _is_text(turns: Iterable[Message], name: str) -> bool:
    """Whether a command line can hold every text: no NUL, no lone surrogate."""
    text = name + "".join(turn.content for turn in turns)
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def quote_for_shell(word: str) -> str:
    r"""Quotes a word for bash, on one line and without characters that a terminal would obey.

    Plain words stay, others are in single quotes; hidden characters are spelled out in ``$'...'``.
    """
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(map(_quote_character, word)) + "'"


def _quote_character(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    if char.isprintable():
        return char
    if char == "\n":
        return "\\n"
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
