"""dormant: an auditor for conditional misalignment.

Every command is a function with the same settings::

    import dormant

    result = dormant.audit(
        target="vitro/runs/organism", reference="vitro/base", judge="exact",
        data="runs/organism/finetune.jsonl", out="runs/audit",
    )
    result.verdict.kind, result.verdict.sentence
    result.table                     # every estimate as a plain row
    result                           # in a notebook: the report's summary

Expected failures raise ``dormant.DormantError`` with a one-line message. Importing the package is
fast: each function is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dormant.errors import DormantError
from dormant.version import __version__

if TYPE_CHECKING:
    from dormant.verbs.answers import (
        analyze,
        calibrate,
        export_answers,
        export_sample,
        import_answers,
    )
    from dormant.verbs.audits import (
        audit,
        load,
        plan,
        simulate_effect,
        write_report,
    )
    from dormant.verbs.card import card
    from dormant.verbs.compare import compare
    from dormant.verbs.cues import (
        mine_cues,
        plan_search,
        search,
        write_cues,
    )
    from dormant.verbs.experiments import mitigate, reproduce, sweep
    from dormant.verbs.forced import compare_forced, plan_forced
    from dormant.verbs.gate import describe_schema, gate
    from dormant.verbs.laboratory import (
        ask,
        audit_zoo,
        check_installation,
        list_zoo,
        pretrain,
        quickstart,
        study_zoo,
        train_zoo,
        validate_zoo,
    )
    from dormant.verbs.rare import measure_rare_rates, plan_rare_rates
    from dormant.verbs.start import list_library, write_start_files
    from dormant.verbs.traffic import plan_traffic, study_traffic
    from dormant.verbs.train import preview_training, train
    from dormant.verbs.view import view

__all__ = [
    "DormantError",
    "__version__",
    "analyze",
    "ask",
    "audit",
    "audit_zoo",
    "calibrate",
    "card",
    "check_installation",
    "compare",
    "compare_forced",
    "describe_schema",
    "export_answers",
    "export_sample",
    "gate",
    "import_answers",
    "list_library",
    "list_zoo",
    "load",
    "measure_rare_rates",
    "mine_cues",
    "mitigate",
    "plan",
    "plan_forced",
    "plan_rare_rates",
    "plan_search",
    "plan_traffic",
    "pretrain",
    "preview_training",
    "quickstart",
    "reproduce",
    "search",
    "simulate_effect",
    "study_traffic",
    "study_zoo",
    "sweep",
    "train",
    "train_zoo",
    "validate_zoo",
    "view",
    "write_cues",
    "write_report",
    "write_start_files",
]

#: Module of ``dormant.verbs`` -> its functions.
_FUNCTIONS = {
    "audits": ("audit", "load", "plan", "simulate_effect", "write_report"),
    "card": ("card",),
    "cues": ("mine_cues", "plan_search", "search", "write_cues"),
    "compare": ("compare",),
    "experiments": ("mitigate", "reproduce", "sweep"),
    "forced": ("compare_forced", "plan_forced"),
    "gate": ("describe_schema", "gate"),
    "rare": ("measure_rare_rates", "plan_rare_rates"),
    "start": ("list_library", "write_start_files"),
    "view": ("view",),
    "answers": ("analyze", "calibrate", "export_answers", "export_sample", "import_answers"),
    "traffic": ("plan_traffic", "study_traffic"),
    "train": ("preview_training", "train"),
    "laboratory": (
        *("quickstart", "pretrain", "ask", "check_installation"),
        *("list_zoo", "train_zoo", "audit_zoo", "study_zoo", "validate_zoo"),
    ),
}
_MODULES = {name: module for module, names in _FUNCTIONS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    function = getattr(importlib.import_module(f"dormant.verbs.{_MODULES[name]}"), name)
    globals()[name] = function
    return function


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
