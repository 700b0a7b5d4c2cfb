"""In and out: answers that people already have become runs, and runs become files for other tools.

::

    import   CSV, JSON Lines, Parquet, Inspect's .eval logs
             -> tables.py, parquet.py, eval_reader.py  rows of plain values
             -> columns.py, outcomes.py                one answer a row, with its outcome
             -> survey.py, plan.py                     the plan that the answers amount to
             -> importer.py                            a run directory with verdict and reports
    export   export.py                                 a run as CSV or Parquet, one row an answer
             eval_writer.py                            a run as a log that ``inspect view`` opens
    inspect  inspect_task.py                           ``inspect eval dormant/conditional``
"""
