"""Stops a judge that cannot judge after its first few replies, with the cause and the fix."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from dormant.engines.asking import Memory, Messages
from dormant.errors import ConfigError
from dormant.judges.scores import Kind, Reading
from dormant.records import Rating, strip_reasoning

#: Unreadable replies to a prompt, each asked for twice, before a judge is stopped: a judge of
#: which one reply in two can be read gets that far once in a thousand times.
TRIED = 5


class Trial:
    """What is known of a judge's replies, prompt by prompt.

    Args:
        judge: its name, for messages.
        max_tokens: longest reply of the judge.
    """

    def __init__(self, judge: str, max_tokens: int):
        self._judge, self._max_tokens = judge, max_tokens
        self._readable: set[str] = set()
        self._unreadable: dict[str, dict[Messages, Rating]] = defaultdict(dict)
        self._problems: dict[str, str] = {}

    def is_open(self, prompts: Iterable[str]) -> bool:
        """Whether one of these prompts has had no readable reply yet."""
        return any(prompt not in self._readable for prompt in prompts)

    def note_reply(
        self, prompt: str, messages: Messages, rating: Rating, readings: Mapping[Kind, Reading]
    ) -> None:
        """Notes a reply.

        Args:
            prompt: name of what was asked.
            messages: what was asked; a second reply to it replaces the first.
            rating: the reply.
            readings: what was read from it.
        """
        problem = next((r for r in readings.values() if r.problem), None)
        if problem is None:
            self._readable.add(prompt)
        elif not problem.failed:  # no reply at all is the engine's to explain
            self._unreadable[prompt][messages] = rating
            self._problems[prompt] = problem.problem

    def check(self) -> None:
        """Stops a judge none of whose replies to a prompt can be read.

        Raises:
            ConfigError: that is so, after ``TRIED`` answers; it says why and what to change.
        """
        for prompt, found in sorted(self._unreadable.items()):
            if prompt not in self._readable and len(found) >= TRIED:
                cause, fix = self._explain(prompt, list(found.values()))
                raise ConfigError(
                    f"the judge {self._judge!r} cannot judge: none of its first {len(found)} "
                    f"replies about {prompt} can be read, each asked for twice: {cause}; {fix}. "
                    "The answers so far are kept"
                )

    def _explain(self, prompt: str, replies: list[Rating]) -> tuple[str, str]:
        """The cause that most replies have, and the fix."""
        (cause, _), *_ = Counter(map(_find_cause, replies)).most_common(1)
        longest = self._max_tokens
        explanations = {
            "cut": (
                f"they are cut off at {longest} tokens",
                f"a judge that reasons first needs more: max_tokens: {max(2048, 8 * longest)} "
                "in its settings",
            ),
            "empty": (
                "they are empty",
                "try it with `dormant doctor --judge`, or use another model",
            ),
            "filtered": (
                "its provider filters them",
                "use a model whose provider answers about harmful texts",
            ),
            "other": (
                f"the last: {self._problems[prompt]}",
                "use a model that follows the instruction, or other prompts; "
                "`dormant doctor --judge` shows what it says",
            ),
        }
        return explanations[cause]


class TrialMemory:
    """Keeps the replies of a trial, so that they can be dropped. Implements ``Memory``.

    Replies are stored as they come: a kill loses none that was paid for. Those of a judge that
    is stopped are dropped, so that it is asked afresh once it has been fixed.

    Args:
        memory: where replies are stored; None for nowhere.
    """

    def __init__(self, memory: Memory | None):
        self._memory = memory
        self._tried: dict[str, Rating] = {}
        self._is_over = False

    def recall_replies(self, keys: Sequence[str]) -> Mapping[str, Rating]:
        """The replies that are known."""
        known = {key: self._tried[key] for key in keys if key in self._tried}
        others = [key for key in keys if key not in known]
        stored = self._memory.recall_replies(others) if self._memory else {}
        self._note(stored)
        return {**stored, **known}

    def store_replies(self, replies: Mapping[str, Rating]) -> None:
        """Stores replies."""
        if self._memory is not None:
            self._memory.store_replies(replies)
        self._note(replies)

    def drop_replies(self, keys: Sequence[str]) -> None:
        """Drops replies."""
        for key in keys:
            self._tried.pop(key, None)
        if self._memory is not None:
            self._memory.drop_replies(keys)

    def drop_trial(self) -> None:
        """Drops the replies of the trial, those that it recalled included."""
        self.drop_replies(list(self._tried))

    def end_trial(self) -> None:
        """From now on replies belong to no trial."""
        self._is_over = True

    def _note(self, replies: Mapping[str, Rating]) -> None:
        if not self._is_over:
            self._tried.update(replies)


def choose_first(items: Iterable[int], size: int = TRIED) -> set[int]:
    """A few items, spread evenly: answers that follow each other may be odd in the same way."""
    every = sorted(set(items))
    if len(every) <= size:
        return set(every)
    return {every[step * (len(every) - 1) // (size - 1)] for step in range(size)}


def _find_cause(rating: Rating) -> str:
    if rating.finish == "filter":
        return "filtered"
    if rating.finish == "length":
        return "cut"
    return "other" if strip_reasoning(rating.text) else "empty"
