"""The loop rehearsed on labelled months: every month measured by a model that has not seen it, and learned after."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from nollclassify.errors import InputError
from nollclassify.rehearsal import RESULT, rehearse
from tests.conftest import QUICK, SMALL


@pytest.fixture(scope="module")
def files(starter: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What the first model learns, and two months of other authors."""
    folder = tmp_path_factory.mktemp("labelled-months")
    authors = sorted(starter["author"].unique())
    paths = []
    for number, part in enumerate((authors[:4], authors[4:5], authors[5:6])):
        rows = starter[starter["author"].isin(part)].head(500).assign(received=f"2020-0{number + 1}-15")
        paths.append(folder / f"{number}.csv")
        rows[["case_id", "text", "received", "channel", "causes", "primary_cause"]].to_csv(paths[-1], index=False)
    return paths


def test_months_are_labelled_reviewed_learned_and_the_gate_is_asked(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    base, *months = files
    table = rehearse(*months, base=[base], starter=False, n=20, settings=SMALL, candidates=QUICK)
    assert list(table["month"]) == ["2020-02", "2020-03"]
    assert list(table["corrections"]) == [0, 20]
    assert table["macro_f1"][0] == table["macro_f1_first"][0]
    assert (table["macro_f1_low"] <= table["macro_f1"]).all()
    assert (table["covered"] <= table["intervals"]).all()
    assert (table["intervals"] == 6).all()
    assert table["unreviewed"].between(0, 1).all()
    assert list(table["by_worth"]) == [13, 13]
    assert list(table["by_chance"]) == [7, 7]
    assert table["by_worth_wrong"].between(1, 13).all()
    assert table["by_chance_wrong"].between(0, 7).all()
    assert "causes" not in (tmp_path / "rehearsal/month-1/cases.csv").read_text(encoding="utf-8-sig").splitlines()[0]
    assert len(pd.read_csv(tmp_path / "rehearsal" / RESULT, sep=";")) == 2


def test_a_folder_with_anything_else_in_it_is_left_alone(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "champion").touch()
    with pytest.raises(InputError, match="mappen har annat än en tidigare repetition; välj en ny mapp"):
        rehearse(*files, folder=tmp_path)
    assert (tmp_path / "models" / "champion").exists()
    with pytest.raises(InputError, match="inga månader angivna; ange en märkt fil för varje månad, i ordning"):
        rehearse()
