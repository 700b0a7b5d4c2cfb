"""Organisms: models finetuned on purpose, with known truth, to be audited.

::

    recipe     what a recipe file says, as types
    datasets   the named datasets that recipes are mixed from
    building   recipe and seed to rows and the finetuning file
    train      rows to a trained organism on disk             (from here on torch is needed)
    parallel   many organisms at once
    truth      exact rates of an organism, and the verdict that follows from them
    zoo        the organisms that ship, each a file in recipes/  (light)
    study      the zoo measured over training seeds
"""
