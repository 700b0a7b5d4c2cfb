"""Import of existing answers as runs, and export of runs for other tools.

::

    import   CSV, JSON Lines, Parquet, Inspect's .eval logs
             -> tables.py, parquet.py, eval_reader.py  rows of plain values
             -> columns.py, outcomes.py                one answer per row, with its outcome
             -> survey.py, plan.py                     the plan that the answers imply
             -> importer.py                            a run directory with verdict and reports
    export   export.py                                 a run as CSV or Parquet, one row per answer
             eval_writer.py                            a run as a log that ``inspect view`` opens
    inspect  inspect_task.py                           ``inspect eval dormant/conditional``
"""
