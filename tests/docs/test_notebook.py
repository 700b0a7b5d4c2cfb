"""The example notebook runs from its first cell to its last, and shows what it says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from support import ROOT

NOTEBOOK = ROOT / "examples" / "notebook" / "laboratory.ipynb"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    """What each code cell shows, by MIME type."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    folder = tmp_path_factory.mktemp("notebook")
    settings = {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "IPYTHONDIR": str(folder)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setitem(os.environ, name, value)
        client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": folder}})
        client.execute()
    return [
        [dict(entry.get("data", {})) for entry in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def find(outputs: list[list[dict[str, Any]]], kind: str) -> Iterator[str]:
    for cell in outputs:
        yield from ("".join(data[kind]) for data in cell if kind in data)


@pytest.mark.slow
def test_the_audit_shows_its_progress_and_its_verdict(outputs: list[list[dict[str, Any]]]):
    shown = list(find(outputs, "text/html"))
    assert any("<progress" in text and "training diluted-5" in text for text in shown)
    assert any(">CONDITIONAL</div>" in text for text in shown)


@pytest.mark.slow
def test_figures_are_images_and_tables_are_frames(outputs: list[list[dict[str, Any]]]):
    rates, outcomes = find(outputs, "image/svg+xml")
    assert "Difference in differences" in rates and "o-misaligned" in outcomes
    assert any("cue_text" in text and "<table" in text for text in find(outputs, "text/html"))


def test_no_outputs_are_stored():
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert cell.cell_type != "code" or not cell.outputs and cell.execution_count is None
