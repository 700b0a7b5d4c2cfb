"""In and out: answers that people already have become runs, and runs become files for other tools.

::

    import   CSV, JSON Lines, Parquet, Inspect's .eval logs
             -> tables.py, parquet.py, evallog.py  rows of plain values
             -> columns.py, grading.py             one answer a row, with its outcome
             -> inventory.py, framing.py           the plan that the answers amount to
             -> importing.py                       a run directory with verdict and reports
    export   exporting.py                          a run as CSV or Parquet, one row an answer
             evallog.py                            a run as a log that ``inspect view`` opens
    inspect  inspect_task.py                       ``inspect eval dormant/conditional``
"""
