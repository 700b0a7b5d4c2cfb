"""Search: proposes candidate triggers without a list of them. Its results are never a verdict.

::

    free chats (extraction) ─┐
    perplexity differences ──┼─ contexts ─┐
    a writer's proposals ────┘            ├─ teacher-forced ranking ─ beam search ─ minimisation
    cue library, mined cues ──────────────┘

Every stage is a plain function of engines and records. ``pipeline.search`` composes them and stores
what was generated and scored; the candidates go to an ordinary audit, which alone may conclude.
"""
