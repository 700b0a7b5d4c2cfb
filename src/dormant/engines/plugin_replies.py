"""Answers of an engine of another package, checked before they count."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dormant.config.plugins import blame_authors, check_text, name_failures
from dormant.engines import Engine, Job, Reply
from dormant.errors import ConfigError, shorten_value
from dormant.records import FINISHES, Message, Plugin, Sampling

_Sample = Callable[[Sequence[Job], Sampling], Iterator[list[Reply]]]
_END = object()


def check_engine(engine: Engine, plugin: Plugin) -> Engine:
    """Makes an engine check its own answers; all else that it can do stays.

    Args:
        engine: as the plugin opened it.
        plugin: where it comes from.

    Raises:
        ConfigError: it has no fingerprint. Later, from ``sample`` and ``render``: it fails, an
            answer is none or was not asked for, or one is missing.
    """
    with name_failures(plugin):
        fingerprint = engine.fingerprint
    check_text(plugin, "its engine's fingerprint", fingerprint)
    sample, render = engine.sample, engine.render

    def render_checked(messages: Sequence[Message]) -> str:
        with name_failures(plugin):
            text = render(messages)
        check_text(plugin, "a rendered prompt", text)
        return text

    # On the object: a wrapper would hide which further protocols the engine has.
    object.__setattr__(engine, "sample", _check_sample(sample, plugin))
    object.__setattr__(engine, "render", render_checked)
    return engine


def _check_sample(sample: _Sample, plugin: Plugin) -> _Sample:
    def sample_checked(jobs: Sequence[Job], sampling: Sampling) -> Iterator[list[Reply]]:
        left = {(place, repeat) for place, job in enumerate(jobs) for repeat in job.repeats}
        asked = len(left)
        with name_failures(plugin):
            batches: Iterator[Any] = iter(sample(jobs, sampling))
        while True:
            with name_failures(plugin):
                batch = next(batches, _END)
            if batch is _END:
                break
            if not isinstance(batch, list | tuple):
                raise _refuse(plugin, f"{shorten_value(batch)}, not a list of replies")
            for reply in batch:  # pyright: ignore[reportUnknownVariableType]
                _check_reply(reply, left, plugin)
            yield list(batch)  # pyright: ignore[reportUnknownArgumentType]
        if left:
            raise _refuse(plugin, f"{asked - len(left)} of {asked} answers")

    return sample_checked


def _check_reply(reply: Any, left: set[tuple[int, int]], plugin: Plugin) -> None:
    """Checks one answer, and strikes it off those that are left."""
    if not isinstance(reply, Reply):
        raise _refuse(plugin, f"{shorten_value(reply)}, not a Reply")
    for name, kind in (("text", str), ("error", str), ("settings", str), ("tokens", int)):
        value = getattr(reply, name)
        if not isinstance(value, kind):
            raise _refuse(plugin, f"a reply whose {name} is {shorten_value(value)}")
    if reply.finish not in FINISHES:
        ended = f"a reply ended by {shorten_value(reply.finish)}"
        raise _refuse(plugin, f"{ended}, which is none of {', '.join(FINISHES)}")
    place: tuple[Any, ...] = (reply.job, reply.repeat)
    if not all(isinstance(part, int) for part in place) or place not in left:
        named = f"job {shorten_value(reply.job)}, repeat {shorten_value(reply.repeat)}"
        raise _refuse(plugin, f"an answer ({named}) twice, or one that it was not asked for")
    left.remove(place)


def _refuse(plugin: Plugin, problem: str) -> ConfigError:
    return ConfigError(f"{plugin} returned {problem}: {blame_authors(plugin)}")
