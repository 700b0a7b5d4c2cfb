"""Answers with recorded answers: ``replay/FILE.json`` maps a text in the prompt to answers."""

import json
from pathlib import Path

from dormant.engines import Job, Reply
from dormant.engines.model_strings import ModelString
from dormant.records import describe_turns, hash_value


class ReplayEngine:
    """Gives the answers of the first recorded text that a prompt contains; "" fits every prompt."""

    def __init__(self, model: ModelString):
        self.name = model.text
        self._answers: dict[str, list[str]] = json.loads(Path(model.name).read_text("utf-8"))
        self.fingerprint = hash_value(["replay", self._answers])

    def render(self, messages) -> str:
        """The turns, one a line."""
        return describe_turns(messages)

    def sample(self, jobs: list[Job], sampling):
        """Yields the answers of one job at a time; answer i is recorded answer i."""
        for index, job in enumerate(jobs):
            prompt = self.render(job.messages)
            recorded = next(self._answers[text] for text in self._answers if text in prompt)
            texts = [recorded[i % len(recorded)] for i in job.repeats]
            yield [Reply(index, i, t, "stop") for i, t in zip(job.repeats, texts, strict=True)]


def open_replay(model: ModelString) -> ReplayEngine:
    """Opens ``replay/FILE.json``."""
    return ReplayEngine(model)
