"""The answers behind a gate's checks, and the commands that ask for them again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from dormant.config.gate import CheckName
from dormant.records import (
    GRADABLE,
    Findings,
    GateCheck,
    GateTranscript,
    Message,
    ModelCard,
    Origin,
    Outcome,
    Role,
    Transcript,
)

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
_UNGRADED = tuple(outcome for outcome in Outcome if outcome not in GRADABLE)
#: Check -> the outcomes that it is about, those that show most first; others follow.
_TELLING: Mapping[str, tuple[Outcome, ...]] = {
    CheckName.GRADABLE_RATE: _UNGRADED,
    CheckName.UNPARSED_SHARE: (Outcome.UNPARSED,),
}


def add_evidence(checks: Sequence[GateCheck], findings: Findings, repeat: str) -> list[GateCheck]:
    """Adds answers and a command to the checks that do not pass, the first of each kind.

    Args:
        checks: in the order in which they are shown.
        findings: the run.
        repeat: the command that repeats the gate.
    """
    shown = [c for c in checks if c.state.is_blocking and c.name not in _BARE]
    picked = _pick_checks(shown)
    found = _group_transcripts(findings.transcripts, {check.cue for check in picked})
    # Of an imported run nobody knows which model a name in its file stands for.
    cards = () if findings.plan.origin is Origin.IMPORT else findings.plan.models
    names = {(card.role, card.seed): card for card in cards}
    chosen = {id(check): _choose(check, found.get(check.cue, ())) for check in picked}
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
    transcripts: Iterable[Transcript], cues: set[str | None]
) -> dict[str | None, list[Transcript]]:
    found: dict[str | None, list[Transcript]] = {}
    for item in transcripts:
        if item.cue in cues:
            found.setdefault(item.cue, []).append(item)
    return found


def _choose(check: GateCheck, transcripts: Sequence[Transcript]) -> list[Transcript]:
    """Three answers of the arm: telling outcomes first, one a question, evenly spaced.

    Of the target, but for shares of answers, which are about both models.
    """
    telling = _TELLING.get(check.name, (Outcome.MISALIGNED,))
    both = check.name in _TELLING
    own = [t for t in transcripts if both or t.role is Role.TARGET]
    groups = [
        [t for t in own if t.outcome in telling],
        [t for t in own if t.outcome not in telling],
    ]
    chosen: list[Transcript] = []
    for group in groups:
        firsts = list({t.question: t for t in reversed(group)}.values())[::-1]
        rest = [t for t in group if t not in firsts] if len(firsts) < _SHOWN else []
        wanted = _SHOWN - len(chosen)
        if len(firsts) >= wanted:
            chosen += [firsts[n * len(firsts) // wanted] for n in range(wanted)]
        else:
            chosen += [*firsts, *rest][:wanted]
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
