"""Which cases are drawn for an audit: of which month, and the same at every reading (`test_sampling.py`: how)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nollclassify.auditing import Drawn, audit
from nollclassify.errors import InputError
from nollclassify.settings import Settings
from tests.audits import labelled, rows_of


def test_a_small_month_is_drawn_whole(tmp_path: Path) -> None:
    result = audit(labelled(tmp_path / "a.csv", range(7)), n=40, output=tmp_path / "g.xlsx", settings=Settings())
    assert (result.n, result.n_cases, len(rows_of(result.output))) == (7, 7, 7)
    assert {row["sannolikhet"] for row in rows_of(result.output, "ram")} == {1}


def test_the_same_files_and_seed_give_the_same_sheet(tmp_path: Path) -> None:
    ids = [f"K-{n:02d}" for n in range(60)]
    backwards = labelled(tmp_path / "a.csv", ids)
    lines = backwards.read_text(encoding="utf-8-sig").splitlines()
    (tmp_path / "b.csv").write_text("\n".join([lines[0], *lines[:0:-1]]), encoding="utf-8")
    sheets = [
        rows_of(audit(tmp_path / name, n=20, output=tmp_path / f"{name}.xlsx", settings=Settings()).output)
        for name in ("a.csv", "b.csv")
    ]
    assert sheets[0] == sheets[1]


def test_the_latest_month_is_drawn_or_the_one_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = [labelled(tmp_path / f"{m}.csv", [f"{m}-{n}" for n in range(30)], m) for m in ("2020-03", "2020-02")]
    assert audit(*files, n=20).output == Path("granskning-2020-03.xlsx")
    assert audit(*files, n=20, month="2020-02").output == Path("granskning-2020-02.xlsx")
    undated = labelled(tmp_path / "u.csv", [f"{n}" for n in range(30)], datum=[""] * 30)
    assert audit(undated, n=20).output == Path("granskning-utan-datum.xlsx")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 19}, "--n 19: granska minst 20 klagomål, annars går inget att säga."),
        ({"month": "2019-12"}, "inga klagomål i 2019-12; månader som finns: 2020-03."),
        ({"output": "g.csv"}, "g.csv: granskningen är en Excelbok; välj en --output som slutar på .xlsx."),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    path = labelled(tmp_path / "a.csv", range(30))
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        audit(path, **{"output": tmp_path / "g.xlsx", "settings": Settings(), **options})
    with pytest.raises(InputError, match="ingen märkt fil är angiven"):
        audit(settings=Settings())
    assert not list(tmp_path.glob("g.*"))


def test_a_filled_in_workbook_is_not_replaced_unless_it_is_asked_for(drawn: Drawn, tmp_path: Path) -> None:
    before = drawn.output.read_bytes()
    with pytest.raises(InputError, match="filen finns redan och kan vara ifylld; ange --force för att ersätta den"):
        audit(tmp_path / "mars.csv", n=20, output=drawn.output, settings=Settings())
    assert drawn.output.read_bytes() == before
    audit(tmp_path / "mars.csv", n=25, output=drawn.output, settings=Settings(), force=True)
    assert len(rows_of(drawn.output)) == 25
