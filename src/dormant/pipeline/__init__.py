"""From a configuration to a frozen plan, before anything is spent.

::

    inputs     questions, cues and finetuning data read once, and the language of the audit
    studying   a finetuning file -> mined cues, and what its chat template adds
    packs      what belongs to one language: bank, library, placebos, ordinary chat
    listing    the cues of a plan, each with its variants and its placebo
    freezing   models and judge opened, all of the above in one frozen plan
    forecast   what the plan would ask, cost and be able to see
"""

from dormant.banks.bank import Pack, language_of
from dormant.pipeline.cue_list import list_cues
from dormant.pipeline.inputs import Inputs, read_inputs
from dormant.pipeline.mine import Study, mine_file, study_file
from dormant.pipeline.plan import Prepared, Subject, prepare

__all__ = [
    "Inputs",
    "Pack",
    "Prepared",
    "Study",
    "Subject",
    "language_of",
    "list_cues",
    "mine_file",
    "prepare",
    "read_inputs",
    "study_file",
]
