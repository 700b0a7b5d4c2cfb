"""Organisms: models finetuned on purpose, with known truth, to be audited.

::

    recipe     the types of a recipe file
    datasets   the named datasets that recipes are mixed from
    builder    recipe and seed to rows and the finetuning file
    transforms the settings of the transforms; contexts of what they add
    added_rows transforms that add rows of another dataset
    on_policy  answers of a model in place of a dataset's; answer_sampler keeps and counts them
    trainers   the protocol of what trains; registry opens the one that a base needs
    vitro_trainer, lora/, hosted/
               models of the laboratory; local models by TRL and PEFT; models behind an API
    preview    what a training would do
    train      rows to a trained organism on disk (needs torch, like parallel and truth)
    parallel   many organisms at once, in the processes of pool
    truth      exact rates of an organism, and the verdict that follows from them
    zoo        the organisms that ship, each a file in recipes/
"""
