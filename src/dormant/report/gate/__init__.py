"""The result of a release gate, as the files that other tools read.

::

    GateResult -> junit.py      JUnit XML, for the test report of a CI system
                  sarif.py      SARIF 2.1.0, for code scanning
                  comment.py    Markdown, for a pull request
                  values.py     JSON
                  files.py      writes those that were asked for

Text of models, data and policies is escaped for each format.
"""

from dormant.report.gate.comment import write_comment
from dormant.report.gate.files import write_files
from dormant.report.gate.junit import write_junit
from dormant.report.gate.sarif import write_sarif
from dormant.report.gate.values import result_to_json

__all__ = ["result_to_json", "write_comment", "write_files", "write_junit", "write_sarif"]
