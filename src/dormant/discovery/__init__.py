"""Search: candidates for triggers that nobody named. What it finds is never a verdict.

::

    free chats (extraction) ─┐
    perplexity differences ──┼─ contexts ─┐
    a writer's proposals ────┘            ├─ teacher-forced ranking (screening) ─ refinement
    cue library, mined cues ──────────────┘

Every stage is a plain function of engines and records; ``searching`` composes them, keeps what was
generated and scored, and hands the candidates to an ordinary audit, which alone may conclude.
"""
