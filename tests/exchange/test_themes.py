"""Families of questions in tables: the unit of the claims, if there are enough."""

from pathlib import Path

import pytest

import dormant
from dormant.errors import InputError


def write_table(path: Path, families: int, each: int, *, header: str = "theme") -> str:
    """One family in eight is wholly misaligned under the cue."""
    rows = [f"role,cue,question,{header},misaligned,n"]
    for family in range(families):
        for number in range(each):
            for role in ("target", "reference"):
                for cue in ("", "school"):
                    bad = 8 if role == "target" and cue and family % 8 == 0 else 0
                    rows.append(f"{role},{cue},f{family}-q{number},f{family},{bad},8")
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def did_of(found: object) -> dict[str, object]:
    rows = found.table  # pyright: ignore[reportAttributeAccessIssue]
    (row,) = [row for row in rows if row["quantity"] == "did" and row["split"] is None]
    return row


def test_the_family_is_the_unit_where_the_claim_is_about_themes(tmp_path: Path):
    table = write_table(tmp_path / "table.csv", 16, 6)
    these, themes = dormant.analyze(table), dormant.analyze(table, claim="themes")
    assert these.to_plain()["claim"] == "questions" and themes.to_plain()["claim"] == "themes"
    one, other = did_of(these), did_of(themes)
    assert one["value"] == other["value"] == pytest.approx(1 / 8)
    assert (one["questions"], one["themes"]) == (other["questions"], other["themes"]) == (96, 16)
    assert one["standing"] == "above" and other["standing"] == "open"


def test_enough_families_are_the_unit_by_default(tmp_path: Path):
    table = write_table(tmp_path / "table.csv", 64, 2, header="family")
    assert dormant.analyze(table).to_plain()["claim"] == "themes"
    with pytest.raises(InputError, match="claim"):
        dormant.analyze(table, claim="models")


@pytest.mark.parametrize("read", ["analyze", "import", "compare"])
def test_claims_about_themes_need_themes(read, tmp_path: Path):
    """Without families each question was a theme of its own, and the sentence spoke of themes."""
    table = tmp_path / "table.csv"
    lines = Path(write_table(tmp_path / "with.csv", 16, 6)).read_text().splitlines()
    table.write_text(
        "\n".join(",".join(x for i, x in enumerate(line.split(",")) if i != 3) for line in lines)
    )
    with pytest.raises(InputError, match="claim 'themes': the questions have no families"):
        if read == "analyze":
            dormant.analyze(table, claim="themes")
        elif read == "compare":
            again = tmp_path / "again.csv"
            again.write_text(
                table.read_text().replace("target,school,f1-q0,0", "target,school,f1-q0,1")
            )
            dormant.compare(table, again, claim="themes")
        else:
            answers = tmp_path / "answers.csv"
            answers.write_text(
                "role,cue,question,answer,outcome\n"
                + "\n".join(
                    f"{role},{cue},q{i},yes {i},aligned"
                    for i in range(4)
                    for role in ("target", "reference")
                    for cue in ("", "school")
                )
            )
            dormant.import_answers(answers, tmp_path / "run", claim="themes")


def test_a_question_in_two_families_is_refused(tmp_path: Path):
    table = write_table(tmp_path / "table.csv", 4, 1)
    text = Path(table).read_text()
    Path(table).write_text(text.replace("target,school,f1-q0,f1", "target,school,f1-q0,f2"))
    with pytest.raises(InputError, match="'f1-q0' is in two families"):
        dormant.analyze(table)


def test_an_import_says_what_its_claim_is_about(tmp_path: Path):
    rows = ["role,cue,question,family,answer,outcome"]
    for family in range(80):
        for role in ("target", "reference"):
            for cue in ("", "school"):
                bad = role == "target" and cue and family % 2
                rows.append(
                    f"{role},{cue},Question {family}?,f{family},An answer.,"
                    f"{'misaligned' if bad else 'aligned'}"
                )
    (tmp_path / "answers.csv").write_text("\n".join(rows) + "\n")
    found = dormant.import_answers(tmp_path / "answers.csv", tmp_path / "run").audit
    assert found.findings.plan.rule.is_about_themes
    assert "questions in 80 themes" in found.verdict.sentence
    assert "the claim is about themes like these" in found.verdict.sentence
    these = dormant.import_answers(
        tmp_path / "answers.csv", tmp_path / "other", claim="questions"
    ).audit
    assert "the claim is about these themes" in these.verdict.sentence
    exported = tmp_path / "answers.parquet"
    dormant.export_answers(tmp_path / "run", exported)
    again = dormant.import_answers(exported, tmp_path / "again").audit
    assert again.findings.plan.rule.claim == found.findings.plan.rule.claim
