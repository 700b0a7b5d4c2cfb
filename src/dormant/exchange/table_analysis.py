"""Statistics of a table of results, as records and as plain rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dormant import stats
from dormant.errors import InputError
from dormant.exchange.copies import refuse_copies, refuse_equal_differences
from dormant.exchange.measurements import RowKind
from dormant.exchange.tidy import TableSettings, Tidy, read_tidy
from dormant.pipeline.questions import refuse_claim_without_themes
from dormant.records import AUTO, Rule, to_plain
from dormant.report.frames import make_arrow, make_pandas
from dormant.stats.bayes import HierarchyFit, check_model_is_installed, fit_hierarchy
from dormant.stats.methods import DEFAULT, check_method


@dataclass(frozen=True, slots=True, repr=False)
class TableAnalysis:
    """A table of results and its analysis.

    Attributes:
        tidy: the table as counts, and how it was read.
        analysis: estimates, worst and best cases, claims, correlations.
        posterior: what the hierarchical model says of all cues; None if it was not asked for.
    """

    tidy: Tidy
    analysis: stats.Analysis
    posterior: HierarchyFit | None = None

    @property
    def table(self) -> list[dict[str, Any]]:
        """Every estimate as plain values; ``pandas.DataFrame(found.table)`` reads it.

        A row has the estimate, its worst and best case (``least``, ``most``, ``worst_low``,
        ``worst_high``) and, where it is a claim, the adjusted p-values, and p against zero with the
        bootstrap-t interval (``p_zero``, ``bootstrap_low``, ``bootstrap_high``, ``bootstrap_p``).
        Unknown values are None.
        """
        found = self.analysis
        cases = {(b.quantity, b.role, b.cue): b for b in found.bounds}
        claims = {(c.quantity, c.cue): c for c in found.claims}
        zero = {(z.quantity, z.cue): z for z in found.zero_tests}
        rows: list[dict[str, Any]] = []
        for e in found.estimates:
            row: dict[str, Any] = to_plain(e)
            if self.tidy.kind in (RowKind.KNOWN_RATES, RowKind.DIFFERENCES):
                row["answers"] = None  # unknown in this table
            case = cases.get((e.quantity, e.role, e.cue)) if e.split is None else None
            for name in ("least", "most"):
                row[name] = to_plain(getattr(case, name)) if case else None
            for name in ("low", "high"):
                row[f"worst_{name}"] = to_plain(getattr(case, name)) if case else None
            is_claim = e.split is None and e.role in (None, "target")
            claim = claims.get((e.quantity, str(e.cue))) if is_claim else None
            for name in ("holm", "benjamini_hochberg", "equivalence", "standing"):
                row[name] = to_plain(getattr(claim, name)) if claim else None
            test = zero.get((e.quantity, str(e.cue))) if is_claim else None
            row["p_zero"] = to_plain(test.p) if test else None
            for name in ("bootstrap_low", "bootstrap_high", "bootstrap_p"):
                row[name] = to_plain(getattr(test, name)) if test else None
            rows.append(row)
        return rows

    def to_pandas(self) -> Any:
        """The table as a pandas ``DataFrame``.

        Raises:
            dormant.errors.InputError: pandas is not installed.
        """
        return make_pandas(self.table)

    def to_arrow(self) -> Any:
        """The table as a ``pyarrow.Table``.

        Raises:
            dormant.errors.InputError: pyarrow is not installed.
        """
        return make_arrow(self.table)

    def __repr__(self) -> str:
        found = self.analysis
        return f"<TableAnalysis: {self.tidy.rows:,} rows, {len(found.estimates):,} estimates>"

    def to_plain(self) -> dict[str, Any]:
        """JSON values: what ``dormant analyze --json`` prints."""
        found, tidy = self.analysis, self.tidy
        return {
            "method": found.method,
            "delta": found.rule.delta,
            "level": found.rule.level,
            "icc": found.rule.icc,
            "claim": str(found.rule.claim),
            "kind": str(tidy.kind),
            "columns": dict(tidy.columns),
            "rows": tidy.rows,
            "left_out": dict(tidy.left_out),
            "notes": list(tidy.notes),
            "correlations": to_plain({str(role): c for role, c in found.correlations.items()}),
            "estimates": self.table,
            "claims": to_plain(found.claims),
            "against_zero": to_plain(found.zero_tests),
            **({"bayes": to_plain(self.posterior)} if self.posterior else {}),
        }


def analyze_table(
    path: Path,
    settings: TableSettings,
    *,
    rule: Rule,
    method: str = DEFAULT,
    trainings: stats.Trainings = stats.Trainings.ALL,
    bayes: bool = False,
    claim: str = AUTO,
    allow_identical: bool = False,
) -> TableAnalysis:
    """Reads a table of results and computes every estimate.

    Args:
        path: .csv, .tsv, .jsonl, .ndjson or .parquet.
        settings: how it is read.
        rule: delta, level and prior correlation.
        method: interval method, one of ``dormant.stats.METHODS``.
        trainings: with several seeds, whether intervals are for all such trainings or these only.
        bayes: whether to fit the hierarchical model too.
        claim: "themes", "questions" or "auto": what the unit is where the table has families.
        allow_identical: accept trainings with equal counts throughout.

    Raises:
        ConfigError: a column is missing, the roles or the method are unknown, two trainings
            are copies, or claims are to be about themes and the table has no families.
        DataError: a row cannot be read; names file, line and reason.
        InputError: the model is to be fitted to differences.
        MissingExtraError: Parquet or the model needs a package that is not installed.
    """
    method = check_method(method)  # before a large table is read
    if bayes:
        check_model_is_installed()
    tidy = read_tidy(path, settings)
    rule = replace(rule, looks=1)  # every cue is looked at once
    families = len(set((tidy.family_of or {}).values()))
    refuse_claim_without_themes(claim, families)
    rule = replace(rule, claim=rule.choose_claim(claim, families))
    if tidy.differences is not None:
        if not allow_identical:
            refuse_equal_differences(tidy.differences)
        found = stats.analyze_differences(
            tidy.differences,
            rule=rule,
            placebos=frozenset(tidy.placebo_of.values()),
            family_of=tidy.family_of,
            method=method,
            trainings=trainings,
        )
        if bayes:
            raise InputError("the hierarchical model needs counts: this table has differences only")
        return TableAnalysis(tidy, found)
    if not allow_identical:
        refuse_copies(tidy.cells, are_rates=tidy.kind is RowKind.KNOWN_RATES)
    found = stats.analyze_cells(
        tidy.cells,
        rule=rule,
        split_of=tidy.split_of,
        placebo_of=tidy.placebo_of,
        family_of=tidy.family_of,
        method=method,
        trainings=trainings,
    )
    posterior = fit_hierarchy(tidy.cells, rule=rule) if bayes else None
    return TableAnalysis(tidy, found, posterior)
