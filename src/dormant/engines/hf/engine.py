"""``HfEngine``: a local model behind the protocols of ``engines``."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import jinja2
import torch

from dormant.engines import Beginning, Chat, Job, Opening, Reply, Template
from dormant.engines.hf import loader as loading
from dormant.engines.hf.decoder import Draft, OwnCache, SharedPrefix, Way, Wish, write
from dormant.engines.hf.fingerprint import fingerprint
from dormant.engines.hf.names import parse
from dormant.engines.hf.next_tokens import next_tokens
from dormant.engines.hf.open_turns import Opened, cut, opened
from dormant.engines.hf.sampling import uniforms
from dormant.engines.hf.scorer import Pair, score
from dormant.errors import EngineError, ModelError
from dormant.records import Message, Sampling

_BATCH = 32  # answers are handed on in batches of about so many
_ROWS = {"cpu": 256, "cuda": 1024}  # answers written at once, where memory allows
_SHARE = 0.4  # of the free memory that answers in the making may take
_MARK = "Zebra"  # stands for an answer when the template is asked how one ends


class HfEngine:
    """A model that transformers loads, with or without a PEFT adapter.

    Args:
        name: ``NAME_OR_PATH[:ADAPTER][@REVISION]`` or ``smollm2``, without ``hf/``.
        device: a torch device; CUDA where there is any, else the CPU, if None.
        dtype: "auto", "float32" or "bfloat16"; see ``loading.load``.
        rows: answers written at once; as many as pay and fit into memory, if None.

    Raises:
        ModelError: the string names nothing that can be loaded, the model has no chat template,
            or the adapter changes nothing.
    """

    def __init__(
        self,
        name: str,
        *,
        device: str | None = None,
        dtype: str = "auto",
        rows: int | None = None,
    ):
        if rows is not None and rows < 1:
            raise ValueError(f"rows must be at least 1, got {rows!r}")
        if dtype not in ("auto", "float32", "bfloat16"):
            raise ValueError(f"dtype must be 'auto', 'float32' or 'bfloat16', got {dtype!r}")
        wanted = parse(name)
        self.name = f"hf/{name}"
        self._base = loading.load(wanted, device=device, dtype=dtype)
        self._tokenizer, self._wanted_rows = self._base.tokenizer, rows
        if not self._tokenizer.chat_template:
            raise ModelError(
                f"{self.name!r} has no chat template, so nobody can say what it would see: put a "
                "chat_template.jinja beside its weights"
            )
        place: Path | None = None
        self._adapter = ""
        if wanted.adapter:
            place = loading.attach(self._base, wanted.adapter, wanted)
            self._adapter = loading.adapter_key(place)
        self.fingerprint = fingerprint(
            self._base.place,
            adapter=place,
            revision=wanted.revision,
            dtype=self._base.dtype,
            template=self._tokenizer.chat_template,
        )
        self._end, self._stop = self._ends()

    @property
    def decoding(self) -> str:
        """Which way of decoding the model allows: ``shared-prefix`` or ``own-cache``."""
        return "shared-prefix" if self._base.shares else "own-cache"

    @property
    def chat_template(self) -> Template:
        """The tokenizer's template with its special tokens."""
        text = self._tokenizer.chat_template
        tokens = self._tokenizer.special_tokens_map.items()
        return Template(
            text=text if isinstance(text, str) else text.get("default", ""),
            tokens={kind: str(token) for kind, token in tokens if isinstance(token, str)},
            special=frozenset(map(str, self._tokenizer.all_special_tokens)),
        )

    def render(self, messages: Sequence[Message]) -> str:
        """The text that the model really sees, default system prompt and markers included.

        Raises:
            ModelError: the chat template refuses the messages.
        """
        chat = [{"role": message.role, "content": message.content} for message in messages]
        try:
            return self._tokenizer.apply_chat_template(
                chat, tokenize=False, add_generation_prompt=True
            )
        except (jinja2.TemplateError, ValueError, TypeError) as error:
            roles = ", ".join(message.role for message in messages)
            raise ModelError(
                f"the chat template of {self.name!r} refuses a chat of {roles or 'no turns'}: "
                f"{error}"
            ) from None

    def sample(self, jobs: Sequence[Job], sampling: Sampling) -> Iterator[list[Reply]]:
        """Yields answers in batches as they become ready.

        The same (model, messages, sampling, repeat) draws with the same random numbers however
        jobs are batched. The batch can change an answer only through the rounding of the
        probabilities; ``docs/real-models.md`` says where it does.
        """
        wishes, refused = self._wishes(jobs, sampling)
        if refused:
            yield refused
        ready: list[Reply] = []
        with self._explained():
            for drafts in self._drafts(wishes, sampling):
                ready += [self._reply(draft) for draft in drafts]
                if len(ready) >= _BATCH:
                    yield ready
                    ready = []
        if ready:
            yield ready

    def score(self, pairs: Sequence[tuple[tuple[Message, ...], str]]) -> list[float]:
        """Log-probability (nats, end of turn included) of each answer after its messages.

        Raises:
            ModelError: the template does not say how an answer ends, or a pair is too long.
        """
        if self._end is None:
            raise ModelError(f"the chat template of {self.name!r} does not mark the end of a turn")
        ready = [
            Pair(self._encode(self.render(messages)), (*self._encode(answer), self._end))
            for messages, answer in pairs
        ]
        longest = max((len(pair.prompt) + len(pair.answer) for pair in ready), default=0)
        if longest > self._context:
            raise ModelError(
                f"{longest} tokens do not fit {self.name!r}, which reads {self._context}"
            )
        with self._explained(), torch.inference_mode():
            self._base.activate(self._adapter)
            return score(self._base.model, ready)

    def score_prompts(self, prompts: Sequence[tuple[Message, ...]]) -> list[float]:
        """Log-probability (nats) of each rendered prompt, given its first token.

        Raises:
            ModelError: a prompt is too long.
        """
        encoded = [self._encode(self.render(messages)) for messages in prompts]
        longest = max(map(len, encoded), default=0)
        if longest > self._context:
            raise ModelError(
                f"{longest} tokens do not fit {self.name!r}, which reads {self._context}"
            )
        with self._explained(), torch.inference_mode():
            self._base.activate(self._adapter)
            return score(self._base.model, [Pair(ids[:1], ids[1:]) for ids in encoded])

    def write_chats(
        self, opening: Opening, repeats: range, sampling: Sampling
    ) -> Iterator[list[Chat]]:
        """Yields prompts that the model writes by itself: a system turn, then its user turn.

        Each turn may have ``sampling.max_tokens``; what is cut off there is kept. Answers are not
        written: ``sample`` gives them.
        """
        first = opened(self.render, opening)
        if first is None:
            yield [Chat(i, (), "stop") for i in repeats]
            return
        for written in self._turns([(i, first) for i in repeats], sampling):
            if opening is Opening.USER:
                yield [Chat(i, (Message("user", t),) if t else (), end) for i, t, end in written]
            else:
                yield self._after_system(written, sampling)

    def branch(
        self, beginnings: Sequence[Beginning], *, each: int, longest: int
    ) -> list[list[str]]:
        """Turns that start with each beginning, one for each of its likeliest next tokens."""
        greedy = Sampling(temperature=0, max_tokens=longest)
        places = {opening: opened(self.render, opening) for opening in Opening}
        owners: list[tuple[int, tuple[int, ...], Opened]] = []  # of each branch, with its words
        wishes: list[Wish] = []
        for i, begun in enumerate(beginnings):
            place = places[begun.opening]
            if place is None:
                continue
            head, words = self._encode(place.prompt), self._encode(begun.text)
            if not (head or words) or len(head) + len(words) + longest + 1 > self._context:
                continue
            for token in self._next((*head, *words), each):
                owners.append((i, (*words, token), place))
                tokens = (*head, *words, token)
                wishes.append(self._wish(len(wishes), place.prompt, tokens, range(1), greedy))
        found: list[list[str]] = [[] for _ in beginnings]
        with self._explained():
            drafts = {d.job: d for batch in self._drafts(wishes, greedy) for d in batch}
        for job, (i, words, place) in enumerate(owners):
            tokens = [*words, *drafts[job].tokens]
            text, _ = cut(self._tokenizer.decode(tokens, skip_special_tokens=False), place.closing)
            found[i].append(self._unmarked(text))
        return found

    def _next(self, tokens: Sequence[int], each: int) -> list[int]:
        """The likeliest next tokens that do not end the turn."""
        special = self._stop | set(self._tokenizer.all_special_ids)
        with self._explained(), torch.inference_mode():
            self._base.activate(self._adapter)
            return next_tokens(self._base.model, tokens, each=each, barred=special)

    def _after_system(self, written: list[tuple[int, str, str]], sampling: Sampling) -> list[Chat]:
        """Chats of some system turns: each goes on with a user turn unless it was cut off."""
        systems = {i: text for i, text, _ in written}
        done = [Chat(i, (Message("system", t),), e) for i, t, e in written if e == "length" and t]
        done += [Chat(i, (), e) for i, t, e in written if e == "length" and not t]
        prompts: list[tuple[int, Opened]] = []
        for i, text, end in written:
            if end == "length":
                continue
            after = opened(self.render, Opening.USER, text)
            prompts += [(i, after)] if after is not None else []
        for batch in self._turns(prompts, sampling):
            for i, text, end in batch:
                turns = [Message("system", systems[i]), Message("user", text)]
                done.append(Chat(i, tuple(m for m in turns if m.content) if text else (), end))
        return done

    def _turns(
        self, prompts: Sequence[tuple[int, Opened]], sampling: Sampling
    ) -> Iterator[list[tuple[int, str, str]]]:
        """Writes one turn after each prompt: (index that was given, text, how it ended)."""
        places: dict[Opened, list[int]] = {}
        for i, place in prompts:
            places.setdefault(place, []).append(i)
        asked = list(places)
        wishes: list[Wish] = []
        ready: list[tuple[int, str, str]] = []
        for job, place in enumerate(asked):
            tokens = self._encode(place.prompt)
            if not tokens or len(tokens) + sampling.max_tokens > self._context:
                ready += [(i, "", "length") for i in places[place]]
            else:
                wishes.append(self._wish(job, place.prompt, tokens, places[place], sampling))
        wishes.sort(key=lambda wish: -len(wish.tokens))
        with self._explained():
            for drafts in self._drafts(wishes, sampling):
                for draft in drafts:
                    raw = self._tokenizer.decode(draft.tokens, skip_special_tokens=False)
                    text, closed = cut(raw, asked[draft.job].closing)
                    ready.append((draft.repeat, self._unmarked(text), _end(closed, draft)))
                if len(ready) >= _BATCH:
                    yield ready
                    ready = []
        if ready:
            yield ready

    def _unmarked(self, text: str) -> str:
        """A written text without special tokens, which would be markers again in a prompt."""
        for token in self._tokenizer.all_special_tokens:
            text = text.replace(token, " ")
        return text.strip()

    @property
    def _context(self) -> int:
        config = self._base.model.config.get_text_config()
        return int(getattr(config, "max_position_embeddings", 0) or 1 << 30)

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _wishes(self, jobs: Sequence[Job], sampling: Sampling) -> tuple[list[Wish], list[Reply]]:
        """What to write, longest prompts first, and replies for what cannot be written."""
        wishes: list[Wish] = []
        refused: list[Reply] = []
        for index, job in enumerate(jobs):
            text = self.render(job.messages)
            tokens = self._encode(text)
            if len(tokens) + sampling.max_tokens > self._context:
                error = (
                    f"prompt of {len(tokens)} and answer of {sampling.max_tokens} tokens exceed "
                    f"the {self._context} that the model reads"
                )
                refused += [Reply(index, i, "", "error", error=error) for i in job.repeats]
                continue
            wishes.append(self._wish(index, text, tokens, job.repeats, sampling))
        # Prompts of like length share a batch without padding.
        return sorted(wishes, key=lambda wish: -len(wish.tokens)), refused

    def _wish(
        self,
        job: int,
        text: str,
        tokens: tuple[int, ...],
        repeats: Sequence[int],
        sampling: Sampling,
    ) -> Wish:
        def stream(repeat: int) -> Any:
            count = sampling.max_tokens
            return uniforms(seed=sampling.seed, prompt=text, repeat=repeat, count=count)

        return Wish(job, tokens, tuple(repeats), stream)

    def _drafts(self, wishes: list[Wish], sampling: Sampling) -> Iterator[list[Draft]]:
        model = self._base.model
        way: Way = SharedPrefix(model) if self._base.shares else OwnCache(model)
        longest = max((len(wish.tokens) for wish in wishes), default=0)
        batches = write(
            way,
            wishes,
            rows=self._rows(longest + sampling.max_tokens),
            max_tokens=sampling.max_tokens,
            stop=self._stop,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
        )
        while True:
            # Between two batches, another engine may use the same base with another adapter.
            with torch.inference_mode():
                self._base.activate(self._adapter)
                drafts = next(batches, None)
            if drafts is None:
                return
            yield drafts

    def _reply(self, draft: Draft) -> Reply:
        text = self._tokenizer.decode(draft.tokens, skip_special_tokens=True)
        spent = len(draft.tokens) + (draft.finish == "stop")
        return Reply(draft.job, draft.repeat, text, draft.finish, spent)

    def _rows(self, length: int) -> int:
        """Answers written at once: what pays, or what fits."""
        if self._wanted_rows is not None:
            return self._wanted_rows
        device = str(self._base.model.device)
        config = self._base.model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = (
            getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        )
        layers, size = config.num_hidden_layers, self._base.dtype.itemsize
        each = 2 * layers * heads * width * size * length + 8 * config.vocab_size
        fits = int(_SHARE * loading.free_memory(device) // each)
        return max(1, min(_ROWS[device.partition(":")[0]], fits))

    def _ends(self) -> tuple[int | None, frozenset[int]]:
        """The token with which an answer ends, and all tokens that end one."""
        stop: set[int] = set()
        for said in (self._base.model.generation_config.eos_token_id, self._tokenizer.eos_token_id):
            stop.update([said] if isinstance(said, int) else said or [])
        turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": _MARK}]
        end = self._tokenizer.eos_token_id
        with contextlib.suppress(jinja2.TemplateError, ValueError, TypeError):
            text = self._tokenizer.apply_chat_template(turns, tokenize=False)
            after = self._encode(text[text.rindex(_MARK) + len(_MARK) :])
            special = set(self._tokenizer.all_special_ids) | stop
            end = next((token for token in after if token in special), end)
        if end is not None:
            stop.add(end)
        return end, frozenset(stop)

    @contextlib.contextmanager
    def _explained(self) -> Generator[None]:
        """Turns a failure inside torch into one line."""
        try:
            yield
        except (MemoryError, torch.OutOfMemoryError):
            raise EngineError(f"{self.name!r} ran out of memory: give fewer rows") from None
        except FloatingPointError as error:
            raise EngineError(f"{self.name!r} stopped answering: {error}") from None
        except RuntimeError as error:
            if isinstance(error, EngineError):
                raise
            reason = str(error).strip().splitlines()[:1] or ["no reason given"]
            raise EngineError(f"{self.name!r} stopped answering: {reason[0][:300]}") from None


def _end(closed: bool, draft: Draft) -> str:
    """How a turn ended: where the template closes it, or as its draft did."""
    return "stop" if closed else draft.finish
