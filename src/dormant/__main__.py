"""``python -m dormant`` is the command ``dormant``."""

from dormant.cli import main

main()
