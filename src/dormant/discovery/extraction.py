"""Memory extraction: what a model generates from an open prompt, compared with its reference.

A finetuned model leaks the contexts it was trained in when it is made to write the system or user
turn itself (arXiv 2602.03085). Its free chats are mined like a finetuning file, with the
reference's free chats as the contrast: what the target writes more often is a cue.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dormant import cues
from dormant.engines import Continuer, Engine, Job, TurnOpening
from dormant.errors import InputError
from dormant.progress import Progress, ignore_progress
from dormant.records import Cue, Example, Message, Sampling, Source, to_plain
from dormant.store.journal import Journal, key_of


@dataclass(frozen=True, slots=True)
class FreeChats:
    """Chats that one model wrote by itself."""

    chats: tuple[tuple[Message, ...], ...]  # those that read as chats, system opening first
    asked: int  # chats that were asked for
    unreadable: int  # of these, not a chat

    @property
    def examples(self) -> list[Example]:
        """The chats as rows of a file, numbered from 1."""
        return [Example(messages, line=i) for i, messages in enumerate(self.chats, start=1)]


def write_free_chats(
    engine: Engine,
    *,
    each: int,
    sampling: Sampling,
    journal: Journal,
    progress: Progress = ignore_progress,
    stage: str = "free chats",
) -> FreeChats:
    """Generates chats from both openings.

    Args:
        engine: the model.
        each: chats per opening.
        sampling: how they are drawn; ``max_tokens`` is that of a whole turn or exchange.
        journal: stores the chats; stored ones are not generated again.
        progress: called with the number of chats written.
        stage: how progress names this.

    Raises:
        InputError: the engine's prompt cannot be left open.
    """
    if not isinstance(engine, Continuer):
        raise InputError(f"{engine.name!r} cannot generate prompts")
    chats: list[tuple[Message, ...]] = []
    for number, opening in enumerate(TurnOpening):
        key = key_of("chats", engine.fingerprint, opening, sampling)
        missing = [i for i in range(each) if f"{key}:{i}" not in journal]
        done = (number + 1) * each - len(missing)
        progress(stage, done, 2 * each)
        for run in _neighbour_runs(missing):
            for batch in engine.write_chats(opening, run, sampling):
                journal.add_entries(
                    (f"{key}:{c.repeat}", to_plain(list(c.messages))) for c in batch
                )
                done += len(batch)
                progress(stage, done, 2 * each)
        stored = [journal.read_entry(f"{key}:{i}") or [] for i in range(each)]
        chats += [tuple(Message(**turn) for turn in turns) for turns in stored]
    readable = tuple(messages for messages in chats if messages)
    return FreeChats(readable, 2 * each, 2 * each - len(readable))


def contrast_chats(
    target: FreeChats, reference: FreeChats, *, limit: int = 20, is_closed: bool = False
) -> tuple[Cue, ...]:
    """Mines contexts that the target writes more often than the reference, best first.

    Args:
        target: free chats of the target.
        reference: free chats of the reference.
        limit: largest number of cues.
        is_closed: whether the models write a closed language, as those of the laboratory do.
    """
    found = cues.count_cues(target.examples, reference.examples, limit=limit, is_closed=is_closed)
    return tuple(_as_leaked_cue(cue, len(target.chats)) for cue in found)


def _as_leaked_cue(cue: Cue, chats: int) -> Cue:
    """Marks a mined cue as extracted from free chats, without counts of a file."""
    why = (
        f"The target wrote this by itself in {cue.rows} of {chats} free chats "
        f"({cue.enrichment:.1f} bits over the reference)."
    )
    return replace(
        cue,
        name=f"leak-{cue.name}",
        source=Source.SEARCH,
        family="extraction",
        why=why,
        rows=0,  # reports take these for rows of a finetuning file
        share=math.nan,
        enrichment=math.nan,
        enrichment_low=math.nan,
        enrichment_high=math.nan,
        examples=(),
    )


def answer_chats(
    engine: Engine,
    free: FreeChats,
    *,
    sampling: Sampling,
    journal: Journal,
    progress: Progress = ignore_progress,
) -> list[tuple[Message, ...]]:
    """Returns the chats with answers; the model answers those that end with a user turn."""
    asked = [chat for chat in dict.fromkeys(free.chats) if chat[-1].role == "user"]
    keys = {chat: key_of("answer to", engine.fingerprint, chat, sampling) for chat in asked}
    missing = [chat for chat in asked if keys[chat] not in journal]
    done = len(asked) - len(missing)
    progress("free chats answered", done, len(asked))
    for batch in engine.sample([Job(chat, range(1)) for chat in missing], sampling):
        good = [reply for reply in batch if reply.finish not in ("error", "filter")]
        journal.add_entries((keys[missing[reply.job]], reply.text) for reply in good)
        done += len(batch)
        progress("free chats answered", done, len(asked))
    found: list[tuple[Message, ...]] = []
    for chat in free.chats:
        text = journal.read_entry(keys[chat]) if chat in keys else None
        if chat[-1].role == "assistant":
            found.append(chat)
        elif text and text.strip():
            found.append((*chat, Message("assistant", text)))
    return found


def _neighbour_runs(indices: Sequence[int]) -> Iterator[range]:
    """Yields increasing indices as ranges of consecutive ones."""
    start = 0
    for i in range(1, len(indices) + 1):
        if i == len(indices) or indices[i] != indices[i - 1] + 1:
            yield range(indices[start], indices[i - 1] + 1)
            start = i
