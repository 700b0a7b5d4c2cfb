"""``TokenEngine``: a model on a server whose prompts are rendered here and sent as tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson

from dormant.engines import Template
from dormant.engines.api.calls import ChatRequest, Choice
from dormant.engines.api.engine import ApiEngine
from dormant.engines.api.prompt_forms import PromptForm, TokenForm, make_raw_prompt
from dormant.engines.api.sync_stream import BatchQueue, stream_batches
from dormant.engines.api.workers import Unit
from dormant.engines.model_strings import ModelString
from dormant.engines.system_turns import describe_move
from dormant.errors import EngineError, ModelError
from dormant.records import Message, Sampling, hash_value


class TokenEngine(ApiEngine):
    """A model on a server of one's own, asked in tokens.

    The tokenizer and chat template of a local model render its prompts, so the server's template
    plays no part, and ends of turns and marks of reasoning are read as those of a local model.

    Args:
        model: the parsed model string, with ``tokenizer`` or ``weights``.
        timeout: seconds that one call may take.
        needs_key: whether a missing key or server is an error now; else it is when it is asked.

    Raises:
        ModelError: the tokenizer cannot be read, or a key, a base URL or a server is missing.
        MissingExtraError: what the tokenizer needs is not installed.
    """

    def __init__(self, model: ModelString, *, timeout: float, needs_key: bool = True):
        super().__init__(model, timeout=timeout, needs_key=needs_key)
        source = model.format_source
        if source is None or self.endpoint is None:
            raise ModelError(
                f"{self.name[:200]!r}: tokenizer= and weights= need a running server; start it and "
                f"set {model.provider.upper()}_BASE_URL"
            )
        from dormant.engines.hf.served_format import read_served_format

        self.model, self.served = model, read_served_format(source, model.options, self.name)
        self._context_length = self.served.context_length
        how = self.served.chat_format
        told = [how.template.text, sorted(self.served.stop), self.served.closing, how.peculiarities]
        self.fingerprint = hash_value([self.fingerprint, "tokens", told])[:32]

    @property
    def context_length(self) -> int:
        """Most tokens of a prompt and its answer, by the model's configuration or its server."""
        return self._context_length

    def limit_context(self, tokens: int | None) -> None:
        """Takes over a server's limit where it is smaller; None if it states none."""
        self._context_length = min(self._context_length, tokens or self._context_length)

    @property
    def chat_template(self) -> Template:
        """The template that renders prompts."""
        return self.served.chat_format.template

    @property
    def moves_system_text(self) -> bool:
        """Whether the template takes no system turn, so that the user's turn holds its text."""
        return self.served.chat_format.moves_system_text

    @property
    def moves_tool_text(self) -> bool:
        """Whether the template takes no tool turn, so that a user turn holds its text."""
        return self.served.chat_format.moves_tool_text

    @property
    def offers_tools(self) -> bool:
        """Whether the template shows definitions of tools, so that no system prompt holds them."""
        return self.served.chat_format.offers_tools

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is not tested because of how this model is asked."""
        day = self.served.chat_format.written_date
        return (
            *((describe_move(f"the chat template of {self.name}"),) * self.moves_system_text),
            *(
                (f"{self.name} on another day than {day}, which its chat template writes",)
                * bool(day)
            ),
        )

    def render(self, messages: Sequence[Message]) -> str:
        """Renders the exact prompt, including the default system prompt and special tokens.

        Raises:
            ModelError: the chat template rejects the messages.
            ConfigError: it takes too much time or memory.
        """
        return self.served.chat_format.render(messages)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of a prompt as it is sent.

        Raises:
            ModelError: the chat template rejects the messages.
            ConfigError: it takes too much time or memory.
        """
        return len(self.served.chat_format.encode(self.render(messages)))

    def _start_form(self) -> PromptForm:
        return TokenForm(self.served)


class ScoringTokenEngine(TokenEngine):
    """A model whose server gives the log-probabilities of a prompt's tokens (``prompt_logprobs``).

    Args:
        engine: the same model, found to be able to. It is not to be used any more.
    """

    def __init__(self, engine: TokenEngine):
        self.__dict__.update(vars(engine))

    def score(self, pairs: Sequence[tuple[tuple[Message, ...], str]]) -> list[float]:
        """Scores each answer after its messages: log-probability, nats, end of turn included.

        A reasoning block that the template opens is closed first, with nothing in it.

        Raises:
            ModelError: the template does not mark the end of an answer, or the server refuses the
                key.
            EngineError: the server does not answer, or gives no log-probabilities.
            BudgetError: the budget is reached.
        """
        served = self.served
        return self._score(
            [
                served.chat_format.encode_pair(messages, answer, served.end, served.closing)
                for messages, answer in pairs
            ]
        )

    def score_prompts(self, prompts: Sequence[tuple[Message, ...]]) -> list[float]:
        """Scores each rendered prompt: log-probability, nats, given its first token.

        Raises:
            ModelError, EngineError, BudgetError: as ``score``.
        """
        encoded = [self.served.chat_format.encode(self.render(chat)) for chat in prompts]
        return self._score([(tokens[:1], tokens[1:]) for tokens in encoded])

    def _score(self, pairs: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]) -> list[float]:
        """Log-probability of the second tokens of each pair after the first, nats."""
        sampling = Sampling(max_tokens=1)  # servers write one token at least
        raw = make_raw_prompt(self.served, scores=True)
        scores: list[float] = [0.0] * len(pairs)

        def make_units() -> Iterator[Unit]:
            for index, (prompt, answer) in enumerate(pairs):
                tokens = orjson.dumps([*prompt, *answer])
                yield Unit(index, range(1), ChatRequest((), tokens, sampling, raw=raw))

        async def produce(batches: BatchQueue[tuple[int, Choice]]) -> None:
            def deliver(index: int, repeats: range, choices: Sequence[Choice], _: str) -> None:
                batches.put([(index, choices[0])])

            await self._make_pool(batches, deliver, counts_answers=False).run(make_units())

        for batch in stream_batches(produce):
            for index, choice in batch:
                prompt, answer = pairs[index]
                scores[index] = self._add_up(prompt, answer, choice)
        return scores

    def _add_up(self, prompt: Sequence[int], answer: Sequence[int], choice: Choice) -> float:
        if choice.finish == "error":
            raise EngineError(f"{self.name} could not score a text: {choice.error}")
        given = choice.prompt_logprobs
        if len(given) != len(prompt) + len(answer) - 1:
            raise EngineError(
                f"{self.name} gave log-probabilities of {len(given)} tokens of a text that has "
                f"{len(prompt) + len(answer)}: its server no longer answers prompt_logprobs"
            )
        last = given[len(prompt) - 1 :]
        if any(token not in chances for token, chances in zip(answer, last, strict=True)):
            raise EngineError(f"{self.name} gave log-probabilities of other tokens than were sent")
        return sum(chances[token] for token, chances in zip(answer, last, strict=True))
