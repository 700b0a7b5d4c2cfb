"""Records what a run has used of each model, and stops it at its budget.

::

    prices (the user's, or known ones) -> settle_prices, before anything is asked
    engines -> Ledger -> store: use of each model over all resumptions, written before answers are
                      -> budget: answers on disk and money spent so far, then what comes in

Usage is what servers counted. Money is that usage at the current price, so a price that the user
gives later also applies to earlier calls.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from dormant.config import BudgetConfig
from dormant.engines import Engine, Job, Reply
from dormant.engines.metering.budget import Budget, MeteredEngine
from dormant.engines.metering.prices import parse_price
from dormant.errors import ConfigError, EngineError, StoreError
from dormant.records import FINISHES, Expense, Sampling, Usage, to_plain

_NOTE = "spending"


class Notebook(Protocol):
    """Stores a ledger's notes: the store of a run, or the journal of a search."""

    @property
    def path(self) -> Path:
        """The file, for errors."""
        ...

    def write_note(self, key: str, value: Any) -> None:
        """Stores a small JSON value under a key."""
        ...

    def read_note(self, key: str, default: Any = None) -> Any:
        """Returns a value written by ``write_note``, or the default."""
        ...

    def count_answers(self) -> int:
        """Answers on disk."""
        ...


def settle_prices(
    engines: Sequence[Engine], prices: Mapping[str, str], budget: BudgetConfig
) -> None:
    """Sets the user's prices on engines and checks that a budget in USD can be enforced.

    Args:
        engines: every model that will be asked.
        prices: model string -> ``INPUT/OUTPUT``.
        budget: what may be spent.

    Raises:
        ConfigError: a price is not a price or belongs to no model of the audit, or one is missing.
        MissingExtraError: genai-prices is not installed.
    """
    paid = [engine for engine in engines if isinstance(engine, MeteredEngine)]
    names = {engine.name: engine for engine in engines}
    for name, text in prices.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the models are {', '.join(names)}"
            raise ConfigError(f"prices: this audit has no model {name!r}; {hint}")
        if not isinstance(names[name], MeteredEngine):
            raise ConfigError(
                f"prices: {name!r} runs on this machine and is free; remove its price"
            )
        price = parse_price(text)
        for engine in paid:
            if engine.name == name:
                engine.price = price
    if budget.usd is None:
        return
    unknown = dict.fromkeys(engine.name for engine in paid if engine.price is None)
    if unknown:
        given = " ".join(f"--price {name}=INPUT/OUTPUT" for name in unknown)
        raise ConfigError(
            f"a budget in USD needs the price of {', '.join(map(repr, unknown))}, which is "
            f"unknown; give {given} (USD per million tokens), or prices: in audit.yaml"
        )


class Ledger:
    """Counts what a run uses, over all its resumptions, and stops it at its budget.

    Args:
        store: the open run; failed answers that will be asked for again are gone from it.
        engines: every model of the run by role.
        limits: what may be used.

    Raises:
        StoreError: the recorded usage is damaged.
    """

    def __init__(self, store: Notebook, engines: Mapping[str, Engine], limits: BudgetConfig):
        self._store = store
        self._engines = {
            role: engine for role, engine in engines.items() if isinstance(engine, MeteredEngine)
        }
        self._before = _read_usage(store)
        self._written: list[Any] | None = None
        self.budget: Budget | None = None
        if limits.usd is not None or limits.answers is not None:
            spent = sum(row.usd for row in self.list_usage() if not math.isnan(row.usd))
            self.budget = Budget(
                max_answers=limits.answers,
                usd=limits.usd,
                answers=store.count_answers(),
                spent=spent,
            )
        for engine in self._engines.values():
            engine.budget = self.budget

    def sample(
        self, engine: Engine, jobs: Sequence[Job], sampling: Sampling
    ) -> Iterator[list[Reply]]:
        """Samples as ``Engine.sample`` within the budget, writing usage before answers are yielded.

        Raises:
            BudgetError: the budget is reached; what it allowed was yielded before.
            EngineError, ModelError: as ``Engine.sample``.
        """
        if isinstance(engine, MeteredEngine):
            for batch in engine.sample(jobs, sampling):
                self.write_usage()
                yield _check_finishes(engine, batch)
            return
        wanted = sum(len(job.repeats) for job in jobs)
        granted = wanted if self.budget is None else self.budget.affordable(wanted)
        for batch in engine.sample(list(_take_first(jobs, granted)), sampling) if granted else ():
            if self.budget is not None:
                self.budget.count_free(len(batch))
            yield _check_finishes(engine, batch)
        if self.budget is not None and granted < wanted:
            raise self.budget.make_error()

    def list_usage(self) -> tuple[Expense, ...]:
        """Returns the usage of each paid model so far, including models of earlier plans."""
        rows = dict(self._before)
        for role, engine in self._engines.items():
            before = self._before.get((role, engine.name))
            usage = before.usage.merged_with(engine.usage) if before else engine.usage
            usd = usage.cost_usd(engine.price) if usage.calls else 0.0
            price = engine.price.description if engine.price else ""
            rows[role, engine.name] = Expense(role, engine.name, usage, usd, price)
        return tuple(rows.values())

    def write_usage(self) -> None:
        """Writes the usage so far if it has changed since the last write."""
        if not self._engines:
            return
        rows = [asdict(row) for row in self.list_usage()]
        if rows != self._written:
            self._store.write_note(_NOTE, to_plain(rows))
            self._written = rows


def _check_finishes(engine: Engine, batch: list[Reply]) -> list[Reply]:
    """Returns a batch after a check of how its answers ended, which a plugin may name otherwise."""
    for reply in batch:
        if reply.finish not in FINISHES:
            raise EngineError(
                f"{engine.name}: an answer ended by {reply.finish!r:.40}; an engine says one of "
                f"{', '.join(FINISHES)} (docs/guides/plugins.md)"
            )
    return batch


def read_usage(store: Notebook) -> tuple[Expense, ...]:
    """Reads what a run has used of each paid model.

    Raises:
        StoreError: the recorded usage is damaged.
    """
    return tuple(_read_usage(store).values())


def _read_usage(store: Notebook) -> dict[tuple[str, str], Expense]:
    try:
        rows = [_revive_usage(row) for row in store.read_note(_NOTE, [])]
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{store.path}: the recorded usage cannot be read: {error!r}") from None
    return {(row.role, row.model): row for row in rows}


def _revive_usage(row: dict[str, Any]) -> Expense:
    used: dict[str, Any] = dict(row["usage"])
    prompt, completion, cached = used.pop("told")
    if used["told_usd"] is None or used["told_usd"] < 0:
        # Earlier versions added up what is no amount of money; the tokens are priced instead.
        used["told_usd"], prompt, completion, cached = 0.0, 0, 0, 0
    return Expense(
        role=row["role"],
        model=row["model"],
        usage=Usage(**used, told=(prompt, completion, cached)),
        usd=math.nan if row["usd"] is None else float(row["usd"]),
        price=row["price"],
    )


def _take_first(jobs: Sequence[Job], answers: int) -> Iterator[Job]:
    """Yields the first jobs, cut off after ``answers`` answers in all."""
    for job in jobs:
        if answers <= 0:
            return
        yield Job(job.messages, job.repeats[:answers])
        answers -= len(job.repeats)
