"""The folder of a study belongs to one command, and to one process at a time."""

from pathlib import Path

import pytest

from dormant.errors import ConfigError, StoreError
from dormant.store.study_folder import check_study_folder, hold_study_folder


def test_a_folder_is_held_by_one_process_and_continued_by_its_command(tmp_path: Path):
    out = tmp_path / "deep" / "out"
    check_study_folder(out, "sweep")
    assert not out.parent.exists()
    with hold_study_folder(out, "sweep", {"run": "a"}):
        (out / "sweep.md").write_text("table")
        with (
            pytest.raises(StoreError, match="another `dormant sweep` is writing here"),
            hold_study_folder(out, "sweep", {"run": "a"}),
        ):
            pass
    with hold_study_folder(out, "sweep", {"run": "a"}):
        pass
    with pytest.raises(StoreError, match="results of another run .'a', now 'b'"):
        check_study_folder(out, "sweep", {"run": "b"})
    with pytest.raises(StoreError, match="holds results of `dormant sweep`: choose another"):
        check_study_folder(out, "mitigate")
    assert (out / "sweep.md").read_text() == "table"


@pytest.mark.parametrize("name", ["notes.txt", "sweep.md", "units", "study.json"])
def test_a_folder_of_the_users_is_refused(tmp_path: Path, name: str):
    (tmp_path / name).write_text("precious")
    with (
        pytest.raises(StoreError, match=f"did not write, as '{name}': choose another --out"),
        hold_study_folder(tmp_path, "sweep"),
    ):
        pass
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="is a file: choose a directory"):
        check_study_folder(tmp_path / "file", "sweep")
    with (
        pytest.raises(ConfigError, match="a file or below one"),
        hold_study_folder(tmp_path / "file" / "out", "sweep"),
    ):
        pass
    (tmp_path / ".hidden").touch()
    (tmp_path / "file").unlink()
    with hold_study_folder(tmp_path, "sweep"):
        pass
