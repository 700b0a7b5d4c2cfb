"""Models of the laboratory as engines: ``vitro/base`` or ``vitro/DIR`` of an organism."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from dormant import vitro
from dormant.engines import AnswerStart, Chat, Job, Reply, TurnOpening, TurnStart
from dormant.engines.tool_definitions import move_definitions
from dormant.engines.tool_turns import move_tool_text
from dormant.records import Message, Sampling
from dormant.vitro.tokenizer import END, SYSTEM, USER

#: What stands before the turn that a model writes itself.
_OPENED = {TurnOpening.SYSTEM: (SYSTEM,), TurnOpening.USER: (SYSTEM, USER)}

#: Name of the base that ships.
_BASE = "base"


@lru_cache(maxsize=1)
def _base_answers(fingerprint: str) -> vitro.AnswerCache:
    """The answers of the shipped base, the reference of every organism that a process audits."""
    return vitro.AnswerCache()


class VitroEngine:
    """A model of the laboratory. Implements every protocol of ``engines`` but ``Rater``.

    Args:
        name: ``base``, the directory of an organism, or a checkpoint.

    Raises:
        ModelError: there is no such model, or its file is damaged.
        MissingExtraError: torch is not installed.
    """

    def __init__(self, name: str):
        self.name = f"vitro/{name}"
        self._model = vitro.load_decoder(name)
        self._tokenizer = vitro.load_tokenizer()
        self.fingerprint = vitro.fingerprint_decoder(self._model)

    @property
    def moves_tool_text(self) -> bool:
        """True: the micro-language has no tool turn, so the user's turn holds its text."""
        return True

    def render(self, messages: Sequence[Message]) -> str:
        """The words that the model sees, markers included."""
        return self._tokenizer.render_prompt(move_tool_text(move_definitions(messages)))

    def _encode_prompt(self, messages: Sequence[Message]) -> list[int]:
        return self._tokenizer.encode_prompt(move_tool_text(move_definitions(messages)))

    def sample(self, jobs: Sequence[Job], sampling: Sampling) -> Iterator[list[Reply]]:
        """Yields answers in batches; answers of one prompt are drawn along a shared tree."""
        prompts = [self._encode_prompt(job.messages) for job in jobs]
        for draws in self._draw_batches(prompts, [job.repeats for job in jobs], sampling):
            yield [
                Reply(
                    job=draw.prompt,
                    repeat=draw.repeat,
                    text=self._tokenizer.join_tokens(draw.tokens),
                    finish=draw.finish,
                    tokens=len(draw.tokens) + (draw.finish == "stop"),
                )
                for draw in draws
            ]

    def _draw_batches(
        self, prompts: Sequence[Sequence[int]], repeats: Sequence[range], sampling: Sampling
    ) -> Iterator[list[vitro.Draw]]:
        """Batches of draws; torch has one thread while one is made, not while it is used."""
        is_base = self.name == f"vitro/{_BASE}"
        draw = _base_answers(self.fingerprint).sample_answers if is_base else vitro.sample_answers
        batches = draw(
            self._model,
            prompts,
            repeats,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            seed=sampling.seed,
        )
        while True:
            with vitro.one_thread():
                draws = next(batches, None)
            if draws is None:
                return
            yield draws

    def score(self, pairs: Sequence[tuple[tuple[Message, ...], str]]) -> list[float]:
        """Log-probability (nats, end of turn included) of each answer after its messages."""
        encoded = [
            (self._encode_prompt(messages), self._tokenizer.tokenize_text(answer))
            for messages, answer in pairs
        ]
        with vitro.one_thread():
            return vitro.score_answers(self._model, encoded)

    def continue_answers(
        self, starts: Sequence[AnswerStart], repeats: range, sampling: Sampling
    ) -> Iterator[list[Reply]]:
        """Yields whole answers that begin with given words; see ``engines.Prefiller``."""
        answers = [tuple(self._tokenizer.tokenize_text(start.answer)) for start in starts]
        chosen = [i for i, start in enumerate(starts) if start.tokens < len(answers[i])]
        heads = [answers[i][: starts[i].tokens] for i in chosen]
        prompts = [
            (*self._encode_prompt(starts[i].messages), *head)
            for i, head in zip(chosen, heads, strict=True)
        ]
        for draws in self._draw_batches(prompts, [repeats] * len(prompts), sampling):
            yield [
                Reply(
                    job=chosen[draw.prompt],
                    repeat=draw.repeat,
                    text=self._tokenizer.join_tokens((*heads[draw.prompt], *draw.tokens)),
                    finish=draw.finish,
                    tokens=len(draw.tokens) + (draw.finish == "stop"),
                )
                for draw in draws
            ]

    def write_chats(
        self, opening: TurnOpening, repeats: range, sampling: Sampling
    ) -> Iterator[list[Chat]]:
        """Yields whole exchanges that the model writes after an open turn, answers included."""
        head = _OPENED[opening]
        for draws in self._draw_batches([head], [repeats], sampling):
            yield [
                Chat(draw.repeat, self._read_chat(head, draw.tokens, draw.finish), draw.finish)
                for draw in draws
            ]

    def branch(
        self, beginnings: Sequence[TurnStart], *, each: int, longest: int
    ) -> list[list[str]]:
        """Turns that start with each beginning, one for each of its likeliest next words."""
        heads = [
            (*_OPENED[begun.opening], *self._tokenizer.tokenize_text(begun.text))
            for begun in beginnings
        ]
        with vitro.one_thread():
            words = vitro.branch_turns(self._model, heads, each=each, longest=longest)
        return [
            [
                self._tokenizer.join_tokens((*head[len(_OPENED[begun.opening]) :], *tail))
                for tail in tails
            ]
            for begun, head, tails in zip(beginnings, heads, words, strict=True)
        ]

    def score_prompts(self, prompts: Sequence[tuple[Message, ...]]) -> list[float]:
        """Log-probability (nats) of each prompt, the markers of its turns included."""
        encoded = [self._encode_prompt(messages) for messages in prompts]
        with vitro.one_thread():
            return vitro.score_prompts(self._model, encoded)

    def _read_chat(
        self, head: Sequence[int], tokens: Sequence[int], finish: str
    ) -> tuple[Message, ...]:
        """The turns of an exchange. One that ends before its answer is no chat."""
        chat = self._tokenizer.decode_chat([*head, *tokens, *([END] if finish == "stop" else [])])
        answered = chat and chat[-1].role == "assistant"
        return chat if answered or finish == "length" else ()
