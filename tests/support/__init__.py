"""What several tests share: models, servers, findings and counts made for them."""

from pathlib import Path

#: The root of the checkout.
ROOT = Path(__file__).resolve().parents[2]
