"""Studies on models whose truth is known: error rates, power and cost of whole audits.

::

    quickstart      trains and audits eight organisms and compares every verdict with the truth
    zoo             exact rates of every organism over training seeds
    worlds          counts drawn from given rates, audited by the design of a plan
    planted         worlds with planted rates: nulls, effects, and cues exactly at delta
    organism_rates  exact rates of organisms, as worlds
    validation      false alarms, power and cost of every design, in units that can be resumed
    tables          the validation as Markdown
    figures         the validation as SVG files
"""
