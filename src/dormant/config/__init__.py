"""Configuration files: ``reading`` checks each against its model.

``audit`` is ``audit.yaml``; ``inputs`` is what audits, searches and the Inspect task read alike.
"""

from dormant.config.audit import (
    AuditConfig,
    BudgetConfig,
    RuleConfig,
    SamplingConfig,
    price_numbers,
)
from dormant.config.inputs import CueConfig, InputConfig
from dormant.config.reader import (
    Strict,
    check_values,
    load_yaml,
    read_yaml,
    read_yaml_with_lines,
)

__all__ = [
    "AuditConfig",
    "BudgetConfig",
    "CueConfig",
    "InputConfig",
    "RuleConfig",
    "SamplingConfig",
    "Strict",
    "check_values",
    "load_yaml",
    "price_numbers",
    "read_yaml",
    "read_yaml_with_lines",
]
