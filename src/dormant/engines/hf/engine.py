"""``HfEngine``: a local model behind the protocols of ``engines``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch

from dormant.engines import AnswerStart, Chat, Job, Reply, Template, TurnOpening, TurnStart
from dormant.engines.hf.chat_format import ChatFormat
from dormant.engines.hf.decoder import GenerationRequest, TokenSequence
from dormant.engines.hf.failures import explain_failures, explain_length
from dormant.engines.hf.families import read_setting
from dormant.engines.hf.fingerprint import compute_fingerprint
from dormant.engines.hf.loader import open_model
from dormant.engines.hf.next_tokens import find_next_tokens
from dormant.engines.hf.open_turns import OpenTurn, WrittenTurn, cut_turn, open_turn
from dormant.engines.hf.sampling import draw_uniforms
from dormant.engines.hf.scorer import Pair
from dormant.engines.hf.writer import AnswerWriter
from dormant.engines.local_options import DTYPES
from dormant.engines.model_strings import ModelString, parse_hf
from dormant.engines.system_turns import describe_move
from dormant.errors import ModelError
from dormant.records import Message, Sampling

_BATCH_SIZE = 32  # answers are handed on in batches of about this many


class HfEngine:
    """A model that transformers loads, with or without a PEFT adapter.

    Args:
        name: ``NAME_OR_PATH[:ADAPTER][@REVISION][?OPTIONS]`` or ``smollm2``, without ``hf/``; or
            parsed. Arguments stand for options that it does not give (``local_options``).
        device: a torch device; CUDA where there is any, else the CPU, if None.
        dtype: "auto", "float32", "bfloat16" or "float16"; see ``loader.load_base``.
        rows: answers written at once; as many as pay and fit into memory, if None.

    Raises:
        ModelError: it cannot be loaded, has no chat template, or the adapter changes nothing.
    """

    def __init__(
        self,
        name: str | ModelString,
        *,
        device: str | None = None,
        dtype: str = "auto",
        rows: int | None = None,
    ):
        if rows is not None and rows < 1:
            raise ValueError(f"rows must be at least 1, got {rows!r}")
        if dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
        wanted = name if isinstance(name, ModelString) else parse_hf(name)
        options = wanted.options
        self.name = wanted.text
        opened = open_model(wanted, device=device, dtype=dtype)
        self.base, self._loading_caveats = opened.base, opened.caveats
        self.chat_format = ChatFormat(
            opened.tokenizer,
            self.name,
            variables=options.template,
            date=options.date,
            vocabulary=opened.base.model.get_input_embeddings().weight.shape[0],
        )
        self._idle = [
            f"template.{name} leaves the prompts of {self.name} as they are without it"
            for name in self.chat_format.list_idle_variables()
        ]
        self._adapter = opened.adapter.key if opened.adapter else ""
        self._writer = AnswerWriter(self.base, self._adapter, self.name, options.rows or rows)
        self.fingerprint = compute_fingerprint(
            self.base.place,
            adapter=opened.adapter.directory if opened.adapter else None,
            revision=wanted.revision,
            dtype=self.base.dtype,
            template=self.chat_format.tokenizer.chat_template,
            peculiarities=opened.peculiarities | self.chat_format.peculiarities,
        )
        declared = self.base.model.generation_config.eos_token_id
        self._end, self._stop = self.chat_format.find_end_tokens([declared])
        self._closing = self.chat_format.find_closing_text(self._stop)

    @property
    def decoding(self) -> str:
        """How the model decodes: ``shared-prefix``, ``own-cache`` or ``whole-text``."""
        return str(self.base.decoding)

    @property
    def chat_template(self) -> Template:
        """The tokenizer's template with its special tokens."""
        return self.chat_format.template

    @property
    def moves_system_text(self) -> bool:
        """Whether the template takes no system turn, so that the user's turn holds its text."""
        return self.chat_format.moves_system_text

    @property
    def moves_tool_text(self) -> bool:
        """Whether the template takes no tool turn, so that a user turn holds its text."""
        return self.chat_format.moves_tool_text

    @property
    def offers_tools(self) -> bool:
        """Whether the template shows definitions of tools, so that no system prompt holds them."""
        return self.chat_format.offers_tools

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is not tested because of how this model was loaded and is asked."""
        moved = describe_move(f"the chat template of {self.name}")
        day = self.chat_format.written_date
        dated = f"{self.name} on another day than {day}, which its chat template writes"
        return (
            *self._loading_caveats,
            *((moved,) if self.moves_system_text else ()),
            *((dated,) if day else ()),
        )

    @property
    def notes(self) -> Sequence[str]:
        """What was found: variables that change no prompt, memory that ran out in answering."""
        return (*self._idle, *self._writer.notes)

    def render(self, messages: Sequence[Message]) -> str:
        """Renders the exact prompt, including the default system prompt and special tokens.

        Raises:
            ModelError: the chat template rejects the messages.
            ConfigError: it takes too much time or memory.
        """
        return self.chat_format.render(messages)

    @property
    def context_length(self) -> int:
        """Most tokens of a prompt and its answer."""
        config = self.base.model.config.get_text_config()
        return int(read_setting(config, "max_position_embeddings") or 1 << 30)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of a prompt as it is rendered.

        Raises:
            ModelError: the chat template rejects the messages.
            ConfigError: it takes too much time or memory.
        """
        return len(self.chat_format.encode(self.render(messages)))

    def sample(self, jobs: Sequence[Job], sampling: Sampling) -> Iterator[list[Reply]]:
        """Yields answers in batches as they become ready.

        A reasoning block that the template opens in the prompt begins the text of the answers.

        The same (model, messages, sampling, repeat) draws with the same random numbers however
        jobs are batched. The batch can change an answer only through the rounding of the
        probabilities; see ``docs/guides/real-models.md``.
        """
        requests, refused = self._make_requests(jobs, sampling)
        if refused:
            yield refused
        ready: list[Reply] = []
        prompts = {request.job: request.prompt for request in requests}
        with self._explain_errors():
            for sequences in self._generate(requests, sampling):
                ready += [self._make_reply(s, prompts[s.job]) for s in sequences]
                if len(ready) >= _BATCH_SIZE:
                    yield ready
                    ready = []
        if ready:
            yield ready

    def score(self, pairs: Sequence[tuple[tuple[Message, ...], str]]) -> list[float]:
        """Scores each answer after its messages: log-probability, nats, end of turn included.

        A reasoning block that the template opens is closed first, with nothing in it.

        Raises:
            ModelError: the template does not mark the end of an answer, or a pair is too long.
        """
        ready = [
            Pair(*self.chat_format.encode_pair(messages, answer, self._end, self._closing))
            for messages, answer in pairs
        ]
        return self._score(ready)

    def continue_answers(
        self, starts: Sequence[AnswerStart], repeats: range, sampling: Sampling
    ) -> Iterator[list[Reply]]:
        """Yields whole answers that begin with given tokens; see ``engines.Prefiller``."""
        heads: dict[int, tuple[int, ...]] = {}
        requests: list[GenerationRequest] = []
        for job, start in enumerate(starts):
            prompt, answer = self.chat_format.encode_pair(
                start.messages, start.answer, self._end, self._closing
            )
            if start.tokens >= len(answer) - 1:  # the last one ends the turn
                continue
            heads[job] = answer[: start.tokens]
            tokens = (*prompt, *heads[job])
            if error := explain_length(len(tokens), sampling.max_tokens, self.context_length):
                yield [Reply(job, i, "", "error", error=error) for i in repeats]
                continue
            text = self.chat_format.decode(tokens)
            requests.append(self._make_request(job, text, tokens, repeats, sampling))
        requests.sort(key=lambda request: -len(request.tokens))
        with self._explain_errors():
            for sequences in self._generate(requests, sampling):
                yield [self._make_reply(s, "", heads[s.job]) for s in sequences]

    def score_prompts(self, prompts: Sequence[tuple[Message, ...]]) -> list[float]:
        """Scores each rendered prompt: log-probability, nats, given its first token.

        Raises:
            ModelError: a prompt is too long.
        """
        encoded = [self.chat_format.encode(self.render(messages)) for messages in prompts]
        return self._score([Pair(ids[:1], ids[1:]) for ids in encoded])

    def _score(self, pairs: Sequence[Pair]) -> list[float]:
        longest = max((len(pair.prompt) + len(pair.answer) for pair in pairs), default=0)
        if longest > self.context_length:
            raise ModelError(
                f"{longest} tokens exceed the context of {self.name!r} ({self.context_length})"
            )
        with self._explain_errors():
            return self._writer.score(pairs)

    def write_chats(
        self, opening: TurnOpening, repeats: range, sampling: Sampling
    ) -> Iterator[list[Chat]]:
        """Yields prompts that the model generates: a system turn, then its user turn.

        Each turn may have ``sampling.max_tokens``; a turn cut off there is kept. Answers are not
        written: ``sample`` gives them.
        """
        first = open_turn(self.chat_format.render_turns, opening)
        if first is None:
            yield [Chat(i, (), "stop") for i in repeats]
            return
        for turns in self._write_turns([(i, first) for i in repeats], sampling):
            if opening is TurnOpening.USER:
                yield [Chat(t.owner, _make_messages(user=t.text), t.finish) for t in turns]
            else:
                yield self._add_user_turns(turns, sampling)

    def branch(
        self, beginnings: Sequence[TurnStart], *, each: int, longest: int
    ) -> list[list[str]]:
        """Continues each beginning greedily from each of its likeliest next tokens."""
        greedy = Sampling(temperature=0, max_tokens=longest)
        places = {
            opening: open_turn(self.chat_format.render_turns, opening) for opening in TurnOpening
        }
        branches: list[tuple[int, tuple[int, ...], OpenTurn]] = []  # beginning, its tokens, place
        requests: list[GenerationRequest] = []
        for i, beginning in enumerate(beginnings):
            place = places[beginning.opening]
            if place is None:
                continue
            head, text = (
                self.chat_format.encode(place.prompt),
                self.chat_format.encode(beginning.text),
            )
            if not (head or text) or len(head) + len(text) + longest + 1 > self.context_length:
                continue
            for token in self._find_next_tokens((*head, *text), each):
                turn = (*text, token)
                branches.append((i, turn, place))
                job, prompt = len(requests), place.prompt
                requests.append(self._make_request(job, prompt, (*head, *turn), range(1), greedy))
        with self._explain_errors():
            written = {s.job: s.tokens for batch in self._generate(requests, greedy) for s in batch}
        found: list[list[str]] = [[] for _ in beginnings]
        for job, (i, turn, place) in enumerate(branches):
            text, _ = cut_turn(self.chat_format.decode([*turn, *written[job]]), place.closing)
            found[i].append(self.chat_format.remove_special_tokens(text))
        return found

    def _find_next_tokens(self, tokens: Sequence[int], each: int) -> list[int]:
        """The likeliest next tokens that do not end the turn."""
        special = self._stop | set(self.chat_format.tokenizer.all_special_ids)
        with self._explain_errors(), torch.inference_mode():
            self.base.activate(self._adapter)
            return find_next_tokens(self.base.model, tokens, each=each, excluded=special)

    def _add_user_turns(self, systems: list[WrittenTurn], sampling: Sampling) -> list[Chat]:
        """Adds a user turn to each system turn that was not cut off."""
        chats = [
            Chat(turn.owner, _make_messages(system=turn.text), turn.finish)
            for turn in systems
            if turn.finish == "length"
        ]
        texts = {turn.owner: turn.text for turn in systems if turn.finish != "length"}
        places = (
            (i, open_turn(self.chat_format.render_turns, TurnOpening.USER, text))
            for i, text in texts.items()
        )
        prompts = [(i, place) for i, place in places if place is not None]
        for batch in self._write_turns(prompts, sampling):
            for turn in batch:
                both = _make_messages(system=texts[turn.owner], user=turn.text)
                chats.append(Chat(turn.owner, both if turn.text else (), turn.finish))
        return chats

    def _write_turns(
        self, prompts: Sequence[tuple[int, OpenTurn]], sampling: Sampling
    ) -> Iterator[list[WrittenTurn]]:
        """Writes one turn after each prompt, which comes with an index of the caller's."""
        indices: dict[OpenTurn, list[int]] = {}  # equal prompts are read once
        for i, place in prompts:
            indices.setdefault(place, []).append(i)
        places = list(indices)
        requests: list[GenerationRequest] = []
        ready: list[WrittenTurn] = []
        for job, place in enumerate(places):
            tokens = self.chat_format.encode(place.prompt)
            if not tokens or len(tokens) + sampling.max_tokens > self.context_length:
                ready += [WrittenTurn(i, "", "length") for i in indices[place]]
            else:
                request = self._make_request(job, place.prompt, tokens, indices[place], sampling)
                requests.append(request)
        requests.sort(key=lambda request: -len(request.tokens))
        with self._explain_errors():
            for sequences in self._generate(requests, sampling):
                for sequence in sequences:
                    written = self.chat_format.decode(sequence.tokens)
                    text, is_closed = cut_turn(written, places[sequence.job].closing)
                    # The turn ended where the template closes it, whatever was generated after.
                    finish = "stop" if is_closed else sequence.finish
                    text = self.chat_format.remove_special_tokens(text)
                    ready.append(WrittenTurn(sequence.repeat, text, finish))
                if len(ready) >= _BATCH_SIZE:
                    yield ready
                    ready = []
        if ready:
            yield ready

    def _make_requests(
        self, jobs: Sequence[Job], sampling: Sampling
    ) -> tuple[list[GenerationRequest], list[Reply]]:
        """What to write, longest prompts first, and replies for what cannot be written."""
        requests: list[GenerationRequest] = []
        refused: list[Reply] = []
        for index, job in enumerate(jobs):
            text = self.render(job.messages)
            tokens = self.chat_format.encode(text)
            if error := explain_length(len(tokens), sampling.max_tokens, self.context_length):
                refused += [Reply(index, i, "", "error", error=error) for i in job.repeats]
            else:
                requests.append(self._make_request(index, text, tokens, job.repeats, sampling))
        # Prompts of like length share a batch without padding.
        return sorted(requests, key=lambda request: -len(request.tokens)), refused

    def _make_request(
        self,
        job: int,
        text: str,
        tokens: tuple[int, ...],
        repeats: Sequence[int],
        sampling: Sampling,
    ) -> GenerationRequest:
        def stream(repeat: int) -> Any:
            count = sampling.max_tokens
            return draw_uniforms(seed=sampling.seed, prompt=text, repeat=repeat, count=count)

        return GenerationRequest(job, text, tokens, tuple(repeats), stream)

    def _generate(
        self, requests: list[GenerationRequest], sampling: Sampling
    ) -> Iterator[list[TokenSequence]]:
        return self._writer.generate(requests, sampling, self._stop)

    def _make_reply(
        self, sequence: TokenSequence, prompt: str, head: tuple[int, ...] = ()
    ) -> Reply:
        text = self.chat_format.decode_answer((*head, *sequence.tokens), prompt=prompt)
        spent, finish = len(sequence.tokens) + (sequence.finish == "stop"), sequence.finish
        if self._closing and self._closing in text:
            # The template ends a turn in plain letters: what follows is the next turn.
            text, finish = text.partition(self._closing)[0], "stop"
        return Reply(sequence.job, sequence.repeat, text, finish, spent)

    def _explain_errors(self) -> AbstractContextManager[None]:
        return explain_failures(self.name)


def _make_messages(*, system: str = "", user: str = "") -> tuple[Message, ...]:
    """The turns that have a text."""
    turns = (Message("system", system), Message("user", user))
    return tuple(turn for turn in turns if turn.content)
