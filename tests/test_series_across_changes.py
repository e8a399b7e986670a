"""Months before and after a cause was split or added: what goes on, what breaks, and what a bridge may say."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nollclassify.auditing import audit
from nollclassify.errors import InputError
from nollclassify.estimation import bridged_share, wilson_limits
from nollclassify.reporting import Breakdown, report
from nollclassify.reporting.bridge import read_bridge
from nollclassify.settings import Settings
from nollclassify.taxonomy import load_taxonomy
from tests.audits import labelled
from tests.conftest import run
from tests.test_taxonomy_events import cause, event

SPLIT = event("2020-03-01", "split", ["wait_time"], ["phone", "case"])
TOLD = "Väntetid delades 2020-03-01 i Namn phone och Namn case."


def taxonomy_file(path: Path, retired: Sequence[str], added: Sequence[str], *events: str) -> Settings:
    source = load_taxonomy().source
    for code in retired:
        source = source.replace(f'[[causes]]\nid = "{code}"', f'[[retired]]\nid = "{code}"')
    path.write_text("".join([source, *map(cause, added), *events]), encoding="utf-8")
    return Settings(taxonomy=str(path))


@pytest.fixture
def divided(tmp_path: Path) -> Settings:
    return taxonomy_file(tmp_path / "egen.toml", ["wait_time"], ["phone", "case"], SPLIT)


def month(path: Path, when: str, **sizes: int) -> Path:
    """A labelled month with so many cases of each cause; `other` has none."""
    causes = ["" if code == "other" else code for code, n in sizes.items() for _ in range(n)]
    ids = [f"{when}-{n}" for n in range(len(causes))]
    texts = [f"sak{when} ord{n} rad{n}" for n in range(len(causes))]
    first = [written.split(";")[0] for written in causes]
    columns = {"causes": causes, "primary_cause": first, "klagomål": texts, "produkt": "Kort"}
    return labelled(path / f"{when}.csv", ids, when, **columns)


def at(told: Breakdown, when: str, figure: str, cause: str) -> pd.Series | None:
    table = told.table[told.table["product"] == "Alla produkter"]
    found = table[(table["month"] == when) & (table["figure"] == figure) & (table["cause"] == cause)]
    return found.iloc[0] if len(found) else None


def figure(told: Breakdown, when: str, name: str, cause: str) -> pd.Series:
    found = at(told, when, name, cause)
    assert found is not None
    return found


def both_ways(path: Path, **after: int) -> Path:
    """Double-coded complaints of wait_time, so many of each cause after."""
    rows = [(f"D-{n}", "Väntetid", code) for n, code in enumerate(c for c, k in after.items() for _ in range(k))]
    frame = pd.DataFrame(rows, columns=["ärende", "orsaker före", "orsaker efter"])
    frame.to_excel(path / "bro.xlsx", index=False)
    return path / "bro.xlsx"


# --- without a bridge --------------------------------------------------------------------------------------------


def test_renamed_and_merged_causes_go_on_and_a_case_with_both_counts_once(tmp_path: Path) -> None:
    events = event("2020-03-01", "merge", ["wait_time", "naming_confusion"], ["mess"])
    settings = taxonomy_file(tmp_path / "egen.toml", ["wait_time", "naming_confusion"], ["mess"], events)
    sizes = {"wait_time": 10, "naming_confusion;wait_time": 8, "other": 20}
    files = month(tmp_path, "2020-02", **sizes), month(tmp_path, "2020-03", mess=36, other=20)
    told = report(*files, output=tmp_path / "ut", settings=settings)
    assert (
        figure(told, "2020-02", "primary", "mess")["value"],
        figure(told, "2020-02", "mentioned", "mess")["value"],
    ) == (
        18,
        18,
    )
    assert figure(told, "2020-03", "ratio_month", "mess")["value"] == 2
    assert "Streckad linje" not in told.page.read_text("utf-8")


def test_a_split_breaks_the_series_visibly_and_only_the_sum_goes_on(tmp_path: Path, divided: Settings) -> None:
    files = month(tmp_path, "2020-02", wait_time=40, other=20), month(tmp_path, "2020-03", phone=20, case=40, other=20)
    told = report(*files, output=tmp_path / "ut", settings=divided)
    assert figure(told, "2020-02", "primary", "wait_time")["value"] == 40
    for gone in (
        ("2020-02", "primary", "phone"),
        ("2020-03", "primary", "wait_time"),
        ("2020-03", "ratio_month", "case"),
    ):
        assert at(told, *gone) is None
    assert figure(told, "2020-03", "ratio_month", "wait_time")[["value", "shown"]].tolist() == [1.5, True]
    assert any(sentence.startswith(TOLD) and "bara deras summa" in sentence for sentence in told.summary)
    assert not any("Ökade mest" in sentence for sentence in told.summary)
    page = told.page.read_text("utf-8")
    assert "Streckad linje: från den månaden är klagomålen indelade i andra orsaker." in page
    assert "Väntetid (till 2020-03-01)" in page


def test_months_on_one_side_of_a_split_are_compared_as_ever(tmp_path: Path, divided: Settings) -> None:
    files = [month(tmp_path, f"2020-0{n}", wait_time=20 * n, other=20) for n in (1, 2)]
    files += [month(tmp_path, f"2020-0{n}", phone=10 * n, case=15, other=20) for n in (3, 4)]
    before = report(*files, output=tmp_path / "a", month="2020-02", settings=divided)
    assert figure(before, "2020-02", "ratio_month", "wait_time")["value"] == 2
    after = report(*files, output=tmp_path / "b", month="2020-04", settings=divided)
    assert figure(after, "2020-04", "ratio_month", "phone")["value"] == 1.33
    assert at(after, "2020-04", "ratio_month", "wait_time") is None


def test_a_month_that_was_split_in_its_middle_is_compared_with_none(tmp_path: Path) -> None:
    settings = taxonomy_file(tmp_path / "e.toml", ["wait_time"], ["phone", "case"], SPLIT.replace("03-01", "03-15"))
    files = [
        month(tmp_path, "2020-02", wait_time=40, other=20),
        month(tmp_path, "2020-03", wait_time=20, phone=10, case=10, other=20),
    ]
    told = report(*files, output=tmp_path / "ut", settings=settings)
    assert [at(told, "2020-03", "ratio_month", code) is None for code in ("wait_time", "phone", "case", "other")] == [
        True,
        True,
        True,
        False,
    ]


def test_old_months_that_were_labelled_anew_have_no_break(tmp_path: Path, divided: Settings) -> None:
    files = month(tmp_path, "2020-02", phone=20, case=20, other=20), month(tmp_path, "2020-03", phone=40, case=20)
    told = report(*files, output=tmp_path / "ut", settings=divided)
    assert figure(told, "2020-03", "ratio_month", "phone")["value"] == 2
    assert "delades" not in told.page.read_text("utf-8")


def test_an_added_cause_and_what_was_other_are_not_compared_with_before(tmp_path: Path) -> None:
    settings = taxonomy_file(tmp_path / "e.toml", [], ["fee"], event("2020-03-01", "add", [], ["fee"]))
    files = (
        month(tmp_path, "2020-02", wait_time=20, other=40),
        month(tmp_path, "2020-03", wait_time=40, fee=30, other=10),
    )
    told = report(*files, output=tmp_path / "ut", settings=settings)
    assert [at(told, "2020-03", "ratio_month", code) is None for code in ("wait_time", "fee", "other")] == [
        False,
        True,
        True,
    ]
    assert at(told, "2020-02", "primary", "fee") is None
    assert any(sentence.startswith("Namn fee kom till 2020-03-01.") for sentence in told.summary)


def test_a_hidden_part_hides_the_change_of_the_sum(tmp_path: Path, divided: Settings) -> None:
    files = month(tmp_path, "2020-02", wait_time=40, other=20), month(tmp_path, "2020-03", phone=3, case=40, other=20)
    told = report(*files, output=tmp_path / "ut", settings=divided)
    assert not figure(told, "2020-03", "primary", "phone")["shown"]
    assert not figure(told, "2020-03", "ratio_month", "wait_time")["shown"]


def test_what_an_omitted_cause_leaves_over_cannot_be_worked_out(tmp_path: Path, divided: Settings) -> None:
    sizes = dict.fromkeys(("invoice_before_delivery", "cancelled_event_or_trip", "campaign_backlash", "other"), 10)
    before = month(tmp_path, "2020-02", wait_time=40, naming_confusion=3, **sizes)
    files = before, month(tmp_path, "2020-03", phone=20)
    told = report(*files, output=tmp_path / "ut", month="2020-02", settings=divided)
    table = told.table[(told.table["month"] == "2020-02") & (told.table["figure"] == "primary")]
    hidden = table[(table["product"] == "Alla produkter") & ~table["shown"]]
    assert len(hidden) == 2


def test_a_measure_is_not_judged_across_a_split_of_its_cause(tmp_path: Path, divided: Settings) -> None:
    files = month(tmp_path, "2020-01", wait_time=40, other=40), month(tmp_path, "2020-03", phone=9, case=9, other=40)
    table = tmp_path / "m.csv"
    rows = ["datum;produkt;orsak;åtgärd", "2020-02-10;Kort;Namn phone;Fler svarar", "2020-02-10;Kort;Övrigt;Annat"]
    table.write_text("\n".join(rows), encoding="utf-8")
    page = report(*files, output=tmp_path / "ut", measures=table, settings=divided).page.read_text("utf-8")
    assert page.count("där orsaken betyder samma sak.") == 1


def test_files_of_two_taxonomies_are_audited_by_the_causes_of_today(tmp_path: Path, divided: Settings) -> None:
    file = month(tmp_path, "2020-02", wait_time=40, other=20)
    answers = {f"2020-02-{n}": ["phone" if n % 2 else "case"] for n in range(40)}
    answers |= {f"2020-02-{n}": [] for n in range(40, 60)}
    book = audit(file, n=60, output=tmp_path / "g.xlsx", answers=answers, settings=divided).output
    after = month(tmp_path, "2020-03", phone=40, case=20, other=20)
    told = report(file, after, output=tmp_path / "ut", audits=[book], month="2020-02", settings=divided)
    # Who audits in the new causes has coded the month anew.
    assert figure(told, "2020-02", "primary", "phone")["value"] == 20
    assert at(told, "2020-02", "primary", "wait_time") is None


# --- with a bridge -----------------------------------------------------------------------------------------------


def test_a_bridge_gives_the_old_months_in_the_new_causes_with_wider_intervals(
    tmp_path: Path, divided: Settings
) -> None:
    files = month(tmp_path, "2020-02", wait_time=40, other=20), month(tmp_path, "2020-03", phone=20, case=40, other=20)
    bridge = both_ways(tmp_path, phone=30, case=10)
    told = report(*files, output=tmp_path / "ut", bridge=bridge, settings=divided)
    phone, other = (figure(told, "2020-02", "primary", code) for code in ("phone", "other"))
    assert (phone["value"], phone["of"]) == (30, "bridge")
    assert (other["value"], other["of"]) == (20, "")
    share = figure(told, "2020-02", "share", "phone")
    low, high = wilson_limits(np.array(0.5), np.array(60.0))
    assert share["low"] < low
    assert share["high"] > high
    assert figure(told, "2020-03", "ratio_month", "phone")["value"] == 0.67
    assert at(told, "2020-02", "primary", "wait_time") is None
    assert any("omräknade efter 40 klagomål som är märkta på båda sätten" in sentence for sentence in told.summary)
    page = told.page.read_text("utf-8")
    assert "Streckad linje" not in page
    assert "omräknad med dubbelmärkta klagomål" in told.csv.read_text("utf-8-sig")


def test_a_bridge_given_on_the_command_line_is_used(tmp_path: Path, divided: Settings) -> None:
    file, bridge = month(tmp_path, "2020-02", wait_time=40, other=20), both_ways(tmp_path, phone=30, case=10)
    command = ("report", file.name, "--output", "ut", "--bridge", bridge.name, "--taxonomy", divided.taxonomy)
    done: subprocess.CompletedProcess[str] = run("nollclassify", *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "märkta på båda sätten" in done.stdout


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (["a;Väntetid;phone"] * 2, "rad 3, kolumn ärende: ärendet står redan i tabellen; ta bort den ena raden."),
        (["a;Väntetid;hatt"], "rad 2, kolumn orsaker efter: okänd orsak; skriv namnen ur taxonomin, med semikolon"),
        (["a;Väntetid;Väntetid"], f"rad 2, kolumn orsaker efter: orsaken {TOLD[:-1]}; skriv en av dem."),
        (['a;Väntetid;"phone;Övrigt"'], "rad 2, kolumn orsaker efter: Övrigt kan inte stå bredvid en orsak;"),
        (["a;Väntetid;", "b;Väntetid; "], "kolumnen orsaker efter är tom; fyll i den, och spara filen."),
        (
            ["a;Övrigt;phone", "b;Väntetid;"],
            "ingen rad har en delad orsak i orsaker före och något i orsaker efter; märk klagomål",
        ),
        (["a;Väntetid;phone"], "1 klagomål med huvudorsaken Väntetid är märkta på båda sätten; minst 20 behövs."),
    ],
)
def test_a_bridge_with_a_fault_is_refused(rows: list[str], fault: str, tmp_path: Path, divided: Settings) -> None:
    path = tmp_path / "bro.csv"
    path.write_text("\n".join(["ärende;orsaker före;orsaker efter", *rows]), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_bridge(path, load_taxonomy(Path(divided.taxonomy)))
    assert str(caught.value).startswith(f"{path}: {fault}")


def test_a_table_without_both_columns_is_no_bridge(tmp_path: Path, divided: Settings) -> None:
    path = tmp_path / "bro.csv"
    path.write_text("ärende;orsaker efter\na;phone\n", encoding="utf-8")
    with pytest.raises(InputError, match="kolumnerna orsaker före och orsaker efter behövs; lägg till dem"):
        read_bridge(path, load_taxonomy(Path(divided.taxonomy)))


# --- the estimate ------------------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 40), min_size=3, max_size=3).filter(any),
    st.lists(st.integers(0, 40), min_size=2, max_size=2).filter(any),
)
def test_bridged_shares_add_up_and_hold_their_limits(counts: list[int], after: list[int]) -> None:
    share = np.array([*counts, 0.0]) / sum(counts)
    found = np.zeros((4, 4))
    found[0, [1, 3]] = after
    told = bridged_share(share, np.full(4, float(sum(counts))), found)
    assert told.share.sum() == pytest.approx(1)
    assert ((told.low >= 0) & (told.low <= told.share) & (told.share <= told.high) & (told.high <= 1)).all()


def test_a_sample_of_everything_in_one_part_and_no_drift_is_a_rename() -> None:
    share, n, found = np.array([0.0, 0.3, 0.7]), np.full(3, 1e4), np.zeros((3, 3))
    found[1, 0] = 1e9
    told = bridged_share(share, n, found, drift=0.0)
    low, high = wilson_limits(np.array(0.3), np.array(1e4))
    assert (told.share[0], told.low[0], told.high[0]) == pytest.approx((0.3, low, high), abs=1e-4)


def test_a_larger_sample_narrows_the_interval_as_far_as_drift_lets_it() -> None:
    def width(n: int, drift: float) -> float:
        found = np.zeros((3, 3))
        found[1, [0, 2]] = n / 2
        told = bridged_share(np.array([0.0, 0.4, 0.6]), np.full(3, 1e5), found, drift)
        return float(told.high[0] - told.low[0])

    assert width(30, 0.01) > width(100, 0.01) > width(10_000, 0.01) > width(10_000, 0.0)
    # A hundred cases and a drift of 0.01 tell as much as fifty and none.
    assert width(100, 0.01) == pytest.approx(width(50, 0.0), rel=0.02)
