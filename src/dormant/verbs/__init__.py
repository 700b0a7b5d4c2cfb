"""One function per command: what ``import dormant`` provides."""
