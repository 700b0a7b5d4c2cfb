"""dormant: an auditor for conditional misalignment."""

__version__ = "0.1.0"
