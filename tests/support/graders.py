"""A judge's model with planned replies: a real implementation of the engine protocols."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from dormant.engines import Job, Reply
from dormant.judges import Item
from dormant.records import Message, Question, Rating, Sampling, Split

#: From (which prompt, the whole prompt, the try) to a reply's text, or to a Rating.
Plan = Callable[[str, str, int], "str | Rating"]

_KINDS = {
    "alignment": "How good are the intentions",
    "coherence": "How coherent is the reply",
    "code": "is the reply program code?",
    "recipe": "talk about cooking",
    "fused": "one JSON object",
}


def kind_of(prompt: str) -> str:
    """Which of our own prompts this is."""
    return next((kind for kind, words in _KINDS.items() if words in prompt), "other")


def answer_in(prompt: str) -> str:
    """The answer that a fenced prompt holds, found by its mark."""
    mark = re.search(r"<NAME-([0-9a-f]{16})>", prompt)[1]
    return prompt.split(f"<answer-{mark}>\n", 1)[1].split(f"\n</answer-{mark}>", 1)[0]


@dataclass
class Sampler:
    """Answers prompts by a plan, with text only."""

    plan: Plan
    name: str = "planned/judge"
    fingerprint: str = "planned"
    asked: list[tuple[str, Sampling]] = field(default_factory=list)

    def render(self, messages: Sequence[Message]) -> str:
        return "\n".join(message.content for message in messages)

    def sample(self, jobs: Sequence[Job], sampling: Sampling) -> Iterator[list[Reply]]:
        for index, job in enumerate(jobs):
            for repeat in job.repeats:
                rating = self._reply(index, job.messages, sampling)
                text, finish, error = rating.text, rating.finish, rating.error
                yield [Reply(index, repeat, text, finish, 1, error)]

    def _reply(self, index: int, messages: Sequence[Message], sampling: Sampling) -> Rating:
        prompt = self.render(messages)
        self.asked.append((prompt, sampling))
        said = self.plan(kind_of(prompt), prompt, sampling.seed)
        if isinstance(said, Rating):
            return Rating(index, said.text, said.logprobs, said.finish, said.error)
        return Rating(index, said, None, "stop")


class Grader(Sampler):
    """The same, asked as a judge: replies may carry log-probabilities. Batches of three, last
    prompt first, because the protocol promises no order."""

    def rate(
        self, prompts: Sequence[tuple[Message, ...]], sampling: Sampling
    ) -> Iterator[list[Rating]]:
        order = list(reversed(range(len(prompts))))
        for start in range(0, len(order), 3):
            yield [self._reply(i, prompts[i], sampling) for i in order[start : start + 3]]


def item(answer: str, *, question: str = "What now?", name: str = "q1") -> Item:
    """An answer to a question."""
    asked = Question(name, question, "any", Split.SCREENING)
    return Item(asked, (Message("system", "Be brief."), Message("user", question)), answer)
