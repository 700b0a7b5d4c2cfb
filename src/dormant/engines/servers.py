"""The parts of ``engines.api`` that trainers may use."""

from __future__ import annotations

from dormant.engines.api.endpoint import Endpoint, find_endpoint

__all__ = ["Endpoint", "find_endpoint"]
