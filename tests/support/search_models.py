"""Models for the search's tests: an organism of the zoo, and engines that are wrong on purpose."""

from collections.abc import Sequence

from dormant.records import Message


class Shifting:
    """Scores like another engine, but batches shift every score: what padding does in some.

    Not a stand-in for a model: the fault itself is what is tested.
    """

    def __init__(self, engine, shift: float):
        self.engine, self.shift = engine, shift
        self.name, self.fingerprint = f"shifting {engine.name}", f"shifting{engine.fingerprint}"
        self.sizes: list[int] = []

    def render(self, messages: Sequence[Message]) -> str:
        return self.engine.render(messages)

    def sample(self, jobs, sampling):
        return self.engine.sample(jobs, sampling)

    def score(self, pairs):
        self.sizes.append(len(pairs))
        scores = self.engine.score(pairs)
        return scores if len(pairs) == 1 else [s - self.shift * i for i, s in enumerate(scores)]
