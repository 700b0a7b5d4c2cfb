"""Health checks: what is installed, and whether a model can do what an audit needs."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import time
from typing import Protocol, runtime_checkable

from dormant.config.plugins import list_plugins
from dormant.engines import Engine, HasCaveats, HasNotes, Job, Scorer
from dormant.engines.checks import Check, Health, check_attempt
from dormant.engines.model_strings import HF, SMOLLM2, parse_model
from dormant.engines.registry import open_engine
from dormant.engines.serving import name_served_model, write_serve_command
from dormant.engines.system_turns import MovesSystemText
from dormant.errors import ModelError
from dormant.records import Message, Sampling

__all__ = ["Check", "Health", "examine_installation", "examine_model"]

_EXTRAS = {
    "torch": "vitro",
    "safetensors": "vitro",
    "transformers": "local",
    "peft": "local",
    "aiohttp": "api",
    "inspect-ai": "api",
}


def examine_installation() -> list[Check]:
    """Checks that need no model."""
    checks = [
        Check("python", Health.OK, platform.python_version()),
        Check("dormant", Health.OK, importlib.metadata.version("dormant")),
        Check("processor", Health.OK, f"{os.cpu_count()} cores, {platform.machine()}"),
    ]
    checks += [_check_package(name, extra) for name, extra in _EXTRAS.items()]
    free = shutil.disk_usage(".").free / 1e9
    low = free < 1
    advice = "less than 1 GB is free here; a run may not fit" if low else ""
    checks.append(Check("free disk", Health.BAD if low else Health.OK, f"{free:.0f} GB", advice))
    if all(check.health is Health.OK for check in checks if check.name in ("torch", "safetensors")):
        checks.append(
            check_attempt("laboratory", lambda: open_engine("vitro/base").fingerprint[:12])
        )
    checks += [Check("plugin", Health.OK, str(plugin)) for plugin in list_plugins()]
    return checks


def examine_model(name: str) -> list[Check]:
    """Loads a model and tries what an audit needs of it.

    Raises:
        ModelError: the string is unknown, or a model that is not behind an API cannot be loaded.
        MissingExtraError: what the model needs is not installed.
    """
    model = parse_model(name)
    if model.is_api:
        from dormant.engines.api import ApiEngine
        from dormant.engines.api.diagnostics import diagnose
        from dormant.engines.api.token_engine import TokenEngine

        try:
            asks_in_tokens = model.format_source is not None
            engine = TokenEngine(model, timeout=60.0) if asks_in_tokens else ApiEngine(model)
        except ModelError as error:  # what the screen is for: a key or a base URL is missing
            return [Check("key and server", Health.BAD, str(error))]
        return diagnose(engine)
    begun = time.monotonic()
    engine = open_engine(name)
    loaded = f"{engine.name} in {time.monotonic() - begun:.1f} s"
    return [
        Check("model", Health.OK, loaded),
        Check("fingerprint", Health.OK, engine.fingerprint[:16]),
        *_describe_decoding(engine),
        _system_prompt(engine),
        check_attempt("answers", lambda: _check_answers(engine)),
        check_attempt("same answer twice", lambda: _check_repeats(engine)),
        _check_scoring(engine),
        *_list_caveats(engine),
    ]


@runtime_checkable
class _Decodes(Protocol):
    """An engine that chose a way of decoding when it loaded its model."""

    @property
    def decoding(self) -> str:
        """The way."""
        ...


def _describe_decoding(engine: Engine) -> list[Check]:
    """Says how a local model decodes, and what to do if that is slow."""
    if not isinstance(engine, _Decodes):
        return []
    advice = {
        "padded-batch": "prompts of unlike length share a batch, padded",
        "own-cache": "prompts of one length share a batch",
        "whole-text": "slow: the whole text is read for each token",
    }
    checks = [Check("decoding", Health.OK, engine.decoding, advice.get(engine.decoding, ""))]
    model = parse_model(engine.name)
    if model.provider != HF or model.name == SMOLLM2:
        return checks
    local = f"{model.name}:{model.adapter}" if model.adapter else model.name
    served = (
        f"then audit {name_served_model(model)}, with VLLM_BASE_URL=http://localhost:8000/v1; the "
        f"option weights={local} renders prompts here and compares the server with these weights"
    )
    return [*checks, Check("on a GPU", Health.OK, write_serve_command(model), served)]


def _list_caveats(engine: Engine) -> list[Check]:
    caveats = engine.caveats if isinstance(engine, HasCaveats) else ()
    notes = engine.notes if isinstance(engine, HasNotes) else ()
    return [
        *(Check("note", Health.ABSENT, note) for note in notes),
        *(Check("not tested", Health.ABSENT, caveat) for caveat in caveats),
    ]


def _check_package(name: str, extra: str) -> Check:
    try:
        return Check(name, Health.OK, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        advice = f"pip install 'dormant[{extra}]' adds it"
        return Check(name, Health.ABSENT, "not installed", advice)


def _system_prompt(engine: Engine) -> Check:
    question = (Message("user", "hello"),)
    plain = engine.render(question)
    prompted = engine.render((Message("system", "you are a teacher"), *question))
    if isinstance(engine, MovesSystemText) and engine.moves_system_text:
        found = "opens the user's turn: the chat template takes no system turn"
        return Check("system prompt", Health.OK, found)
    if "teacher" not in prompted:
        advice = "cues that are system prompts cannot be tried on this model"
        return Check("system prompt", Health.BAD, "not part of what the model sees", advice)
    default = "hello" in plain and len(plain) > len(prompted)
    note = "the template adds a default to prompts without one" if default else "seen by the model"
    return Check("system prompt", Health.OK, note)


def _check_answers(engine: Engine) -> str:
    begun = time.monotonic()
    job = Job((Message("user", "how can i earn money fast"),), range(4))
    replies = [r for batch in engine.sample([job], Sampling(max_tokens=16)) for r in batch]
    failed = [reply.error for reply in replies if reply.finish == "error"]
    if failed or len(replies) != 4:
        raise RuntimeError(f"{len(replies)} of 4 answers, {len(failed)} failed: {failed[:1]}")
    return f"4 in {time.monotonic() - begun:.1f} s"


def _check_repeats(engine: Engine) -> str:
    messages = (Message("user", "what do you think about humans"),)
    last = [_sample_answer(engine, Job(messages, range(first, 4)), 3) for first in (0, 3)]
    return "yes" if last[0] == last[1] else "no: a resumed run draws different answers"


def _sample_answer(engine: Engine, job: Job, repeat: int) -> str:
    batches = engine.sample([job], Sampling(max_tokens=8))
    return next(reply.text for batch in batches for reply in batch if reply.repeat == repeat)


def _check_scoring(engine: Engine) -> Check:
    if not isinstance(engine, Scorer):
        return Check("log-probabilities", Health.ABSENT, "this engine cannot score answers")
    pair = ((Message("user", "hello"),), "hello")
    return check_attempt(
        "log-probabilities", lambda: f"{engine.score([pair])[0]:.2f} nats for 'hello'"
    )
