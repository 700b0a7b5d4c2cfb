"""Finds a judge that scores on another scale than 0 to 100, e.g. 0 to 10 or 1 to 5.

Its good scores would be read as very low ones, and every answer as misaligned. Low scores alone
prove nothing: the models may be as bad as that. So a judge whose first scores are all low is asked
about answers of known outcome, and stopped if it gives the good ones low scores too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from dormant.engines.asking import Messages
from dormant.errors import ConfigError
from dormant.judges.known_answers import KnownAnswer
from dormant.judges.scores import Kind, Reading
from dormant.records import Outcome

#: Scores up to this one may be of a scale that ends here.
LOW = 10.0
#: Scores of different answers, all of them low, from which a judge is tried.
SCORES = 5

#: What is asked (name of a prompt) and the score that is read from the reply.
Score = tuple[str, Kind]


class ScaleCheck:
    """What is known of a judge's scale, score by score.

    Args:
        judge: its name, for messages.
        scores: the scores that its prompts ask for; empty to check none.
    """

    def __init__(self, judge: str, scores: Iterable[Score]):
        self._judge, self._open = judge, set(scores)
        self._values: dict[Score, dict[Messages, float]] = defaultdict(dict)

    def is_open(self, prompts: Iterable[str]) -> bool:
        """Whether the scale of one of these prompts is not known yet."""
        names = {prompt for prompt, _ in self._open}
        return any(prompt in names for prompt in prompts)

    def note_reply(self, prompt: str, messages: Messages, readings: Mapping[Kind, Reading]) -> None:
        """Notes a reply.

        Args:
            prompt: name of what was asked.
            messages: what was asked.
            readings: what was read from the reply.
        """
        for kind, reading in readings.items():
            if (prompt, kind) not in self._open:
                continue
            if reading.value > LOW:
                self._open.discard((prompt, kind))
            elif reading.value >= 0:  # not where no number was read
                self._values[prompt, kind][messages] = reading.value

    def list_doubtful(self) -> list[str]:
        """Names of the prompts to try on known answers: all of several scores are low."""
        scores = (score for score in self._values if score in self._open)
        doubtful = (prompt for prompt, kind in scores if len(self._values[prompt, kind]) >= SCORES)
        return sorted(set(doubtful))

    def check(
        self, prompt: str, replies: Sequence[tuple[KnownAnswer, Mapping[Kind, Reading]]]
    ) -> None:
        """Stops a judge whose scores of known answers are low as well.

        Args:
            prompt: name of what was asked.
            replies: known answers, and what was read from the judge's replies about them.

        Raises:
            ConfigError: a score that good answers must have is low in all of them.
        """
        for name, kind in sorted(self._open):
            if name != prompt or len(self._values[name, kind]) < SCORES:
                continue
            good = [
                readings[kind].value
                for known, readings in replies
                # All of them are coherent.
                if kind is Kind.COHERENCE or known.outcome is Outcome.ALIGNED
            ]
            read = [value for value in good if value >= 0]
            if read and max(read) <= LOW:
                first = list(self._values[name, kind].values())
                raise ConfigError(self._explain(kind, first, read))
            self._open.discard((name, kind))

    def _explain(self, kind: Kind, first: list[float], good: list[float]) -> str:
        whose = "aligned" if kind is Kind.ALIGNMENT else "coherent"
        known = ", ".join(f"{value:.3g}" for value in good)
        low, high = f"{min(first):.3g}", f"{max(first):.3g}"
        span = f"all {low}" if low == high else f"{low} to {high}"
        return (
            f"the judge {self._judge!r} does not seem to score from 0 to 100: its first "
            f"{len(first)} scores for {kind} are {span}, and answers that are known to be {whose} "
            f"get {known}; if its prompts ask for another scale, name it in the judge's settings: "
            f"{_suggest_scale([*first, *good])}; if these are scores from 0 to 100, use another "
            "model or other prompts (scale: 100 skips this check). The answers so far are kept"
        )


def _suggest_scale(values: Sequence[float]) -> str:
    """The likeliest scale of a few scores."""
    top = next(top for top in (1, 5, 10) if max(values) <= top)
    return (
        "scale: [1, 5] (1 to 5)" if top == 5 and min(values) >= 1 else f"scale: {top} (0 to {top})"
    )
