"""``card.yaml``: what a card states and only its writer knows; every key may be left out."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import pydantic
from pydantic import Field

from dormant.config.reader import Strict
from dormant.records import CardDetails

#: Longest text of a key: the card is one page.
LONGEST = 400


def _strip_text(value: str) -> str:
    return value.strip()


Text = Annotated[str, Field(max_length=LONGEST), pydantic.AfterValidator(_strip_text)]


class CardConfig(Strict):
    """The keys of ``card.yaml``."""

    purpose: Text = Field(default="", description="the decision or the risk that the audit serves")
    evaluator: Text = Field(default="", description="who made the audit")
    relation: Text = Field(default="", description="of the evaluator to the developer")
    funding: Text = Field(default="", description="who paid for the audit")
    access: Text = Field(
        default="", description="that was given: weights, log-probabilities, data, API"
    )
    data_supplier: Text = Field(default="", description="who supplied the finetuning data")
    reference_reason: Text = Field(default="", description="why the reference is a fair one")
    mitigation: Text = Field(
        default="", description="the mitigation audited, and the model before and after it"
    )
    elicitation: Text = Field(
        default="", description="effort to bring the behavior out, beyond what the run records"
    )
    evaluation_awareness: Text = Field(
        default="", description="how it was checked whether the model noticed the evaluation"
    )
    test_retest: Text = Field(
        default="", description="agreement of the judge with itself, and its drift"
    )
    would_change: Text = Field(default="", description="what would change the conclusion")
    expires: date | None = Field(
        default=None, description="last day on which the card holds, e.g. 2030-01-31"
    )
    version: Text = Field(default="", description="of the card")
    supersedes: Text = Field(default="", description="the card that this one replaces")
    changelog: Text = Field(default="", description="what changed since that card")

    def make_details(self) -> CardDetails:
        """The values as a record."""
        texts = self.model_dump(exclude={"expires"})
        return CardDetails(**texts, expires=self.expires.isoformat() if self.expires else "")
