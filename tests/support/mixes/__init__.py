"""Finetuning files with a context planted in some rows, for benchmarks and tests of mining.

``list_plans`` lists the mixes of a part, ``build_mix`` builds one. What is tuned is tuned on the
part ``tune``; the part ``held-out`` has other sets, other contexts and other behaviours.
"""

from .build import Mix, MixPlan, build_mix, list_plans, spread_plans
from .data import HELD_OUT, TUNE, data_folder, find_set, read_set

__all__ = [
    "HELD_OUT",
    "TUNE",
    "Mix",
    "MixPlan",
    "build_mix",
    "data_folder",
    "find_set",
    "list_plans",
    "read_set",
    "spread_plans",
]
