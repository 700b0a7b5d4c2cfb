"""Configuration files as typed models.

::

    reader     reads YAML and checks it against a model
    nodes      the line of a value
    places     errors of later checks, with file and line
    inputs     what audits, searches and the Inspect task read alike
    audit      ``audit.yaml``
    gate       ``gate.yaml``, a release policy
    presets    sizes of an audit by name
    durations  "2h" as seconds, and seconds in words
    search     the settings of a search
    rare       the settings of a measurement of rare rates
    keys       every key of ``audit.yaml``: its page, and a commented file
    resources  paths of the files that ship
"""

from dormant.config.audit import (
    AuditBudgetConfig,
    AuditConfig,
    BudgetConfig,
    RuleConfig,
    SamplingConfig,
    price_numbers,
)
from dormant.config.durations import format_duration, parse_duration
from dormant.config.inputs import CueConfig, InputConfig
from dormant.config.nodes import wrap_list
from dormant.config.places import name_keys
from dormant.config.presets import PRESETS, apply_preset
from dormant.config.reader import (
    LARGEST_YAML,
    Strict,
    check_values,
    load_yaml,
    read_yaml,
    read_yaml_with_changes,
    read_yaml_with_lines,
)

__all__ = [
    "LARGEST_YAML",
    "AuditBudgetConfig",
    "AuditConfig",
    "BudgetConfig",
    "CueConfig",
    "InputConfig",
    "RuleConfig",
    "SamplingConfig",
    "Strict",
    "PRESETS",
    "apply_preset",
    "check_values",
    "format_duration",
    "load_yaml",
    "name_keys",
    "parse_duration",
    "price_numbers",
    "read_yaml",
    "read_yaml_with_changes",
    "read_yaml_with_lines",
    "wrap_list",
]
