"""Configuration files as typed models.

::

    reader     reads YAML and checks it against a model
    inputs     what audits, searches and the Inspect task read alike
    audit      ``audit.yaml``
    search     the settings of a search
    resources  paths of the files that ship
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
    LARGEST_YAML,
    Strict,
    check_values,
    load_yaml,
    read_yaml,
    read_yaml_with_lines,
    wrap_list,
)

__all__ = [
    "LARGEST_YAML",
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
    "wrap_list",
]
