"""The whole audit measured against known truth: false alarms, power and cost, for anyone to rerun.

::

    worlds     counts drawn from given rates, asked by whichever design a plan names
    scripted   planted worlds: nulls, effects, and cues that lie exactly on the edge
    learned    organisms of the zoo with their exact rates: what a world of theirs needs
    study      all of it as units of work that resume, and what they add up to
    tables     the study as Markdown
    figures    the study as drawings
"""
