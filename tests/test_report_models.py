"""What a page says of comparisons that no audit corrects: which ones they are, and that models differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from nollclassify.auditing import audit
from nollclassify.reporting import Breakdown, report
from nollclassify.settings import Settings
from tests.audits import labelled
from tests.conftest import run

RELABEL = "Märk de äldre månaderna på nytt (nollclassify label ... --force)."
TOLD = f"{{}} är märkta av olika modeller, så ändringar per orsak kan bero på modellen. {RELABEL}"
MIXED = "Klagomålen {} är inte alla märkta av samma modell, så siffror och ändringar per orsak kan bero på modellen."


def month(folder: Path, when: str, *versions: str) -> Path:
    """Sixty complaints of a month, labelled by these models in turn."""
    texts = [f"sak{when} ord{n} rad{n}" for n in range(60)]
    ids, models = [f"{when}-{n}" for n in range(60)], [versions[n % len(versions)] for n in range(60)]
    return labelled(folder / f"{when}.csv", ids, when, klagomål=texts, model_version=models)


def audited(folder: Path, path: Path, when: str) -> Path:
    answers = {f"{when}-{n}": ["wait_time"] for n in range(60)}
    return audit(path, n=40, output=folder / f"g-{when}.xlsx", answers=answers, settings=Settings()).output


def told(done: Breakdown) -> list[str]:
    return [sentence for sentence in done.summary if "modeller" in sentence or "samma modell" in sentence]


def test_it_is_said_on_every_page_that_the_compared_months_are_of_different_models(tmp_path: Path) -> None:
    files = month(tmp_path, "2020-02", "v1"), month(tmp_path, "2020-03", "v2")
    done = report(*files, output=tmp_path / "ut", settings=Settings())
    said = TOLD.format("Februari 2020 och mars 2020")
    assert told(done) == [said]
    assert len(done.pages) == 4
    assert all(f"<li>{said}</li>" in page.read_text("utf-8") for page in done.pages.values())


def test_only_months_of_another_model_than_the_reported_one_are_named(tmp_path: Path) -> None:
    files = [month(tmp_path, when, v) for when, v in (("2019-03", "v1"), ("2020-02", "v2"), ("2020-03", "v2"))]
    done = report(*files, output=tmp_path / "ut", settings=Settings())
    assert told(done) == [TOLD.format("Mars 2019 och mars 2020")]


@pytest.mark.parametrize("before", ["v2", ""])
def test_nothing_is_said_of_months_of_one_model_or_of_a_month_that_no_model_labelled(
    before: str, tmp_path: Path
) -> None:
    files = month(tmp_path, "2020-02", before), month(tmp_path, "2020-03", "v2")
    assert told(report(*files, output=tmp_path / "ut", settings=Settings())) == []


def test_a_month_that_is_not_compared_is_not_named(tmp_path: Path) -> None:
    files = month(tmp_path, "2019-11", "v1"), month(tmp_path, "2020-03", "v2")
    assert told(report(*files, output=tmp_path / "ut", settings=Settings())) == []


def test_changes_that_audits_of_both_months_correct_do_not_hang_on_the_model(tmp_path: Path) -> None:
    files = month(tmp_path, "2020-02", "v1"), month(tmp_path, "2020-03", "v2")
    audits = [audited(tmp_path, path, path.stem) for path in files]
    assert told(report(*files, output=tmp_path / "ut", audits=audits, settings=Settings())) == []
    one = report(*files, output=tmp_path / "ut", audits=audits[1:], settings=Settings())
    assert told(one) == [TOLD.format("Februari 2020 och mars 2020")]


def test_of_two_comparisons_only_the_one_that_is_not_corrected_is_said_to_be_so(tmp_path: Path) -> None:
    files = [month(tmp_path, when, "v1") for when in ("2019-03", "2020-02", "2020-03")]
    audits = [audited(tmp_path, path, path.stem) for path in files]
    uncorrected = []
    for used in (audits, audits[1:], audits[2:], audits[:2]):
        done = report(*files, output=tmp_path / "ut", audits=used, settings=Settings())
        uncorrected.append([sentence for sentence in done.summary if sentence.startswith("Ändringarna mot")])
    year = "Ändringarna mot mars 2019 är inte rättade: mars 2019 är inte granskad."
    assert uncorrected == [[], [year], [year, year.replace("mars 2019", "februari 2020")], []]


def test_a_month_of_two_models_is_told_unless_its_audit_corrects_it(tmp_path: Path) -> None:
    path = month(tmp_path, "2020-03", "v1", "v2")
    (said,) = told(report(path, output=tmp_path / "ut", settings=Settings()))
    assert said.startswith(MIXED.format("i mars 2020"))
    audits = [audited(tmp_path, path, "2020-03")]
    assert told(report(path, output=tmp_path / "ut", audits=audits, settings=Settings())) == []


def test_a_comparison_with_a_month_of_two_models_is_told_once(tmp_path: Path) -> None:
    files = month(tmp_path, "2020-02", "v1", "v2"), month(tmp_path, "2020-03", "v2")
    (said,) = told(report(*files, output=tmp_path / "ut", settings=Settings()))
    assert said.startswith(MIXED.format("i februari 2020"))


def test_the_command_says_it_in_the_language_that_is_asked_for(tmp_path: Path) -> None:
    files = [month(tmp_path, when, v).name for when, v in (("2020-02", "v1"), ("2020-03", "v2"))]
    done = run("nollclassify", "report", *files, "-o", "ut", "--language", "en", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        "February 2020 and March 2020 were labelled by different models, so changes by cause may come from the model. "
        "Label the older months anew (nollclassify label ... --force)."
    ) in done.stdout


def test_a_measure_about_a_cause_is_told_with_it_and_one_about_all_causes_is_not(tmp_path: Path) -> None:
    files = [month(tmp_path, when, v) for when, v in (("2020-01", "v1"), ("2020-02", "v2"), ("2020-03", "v2"))]
    measures = tmp_path / "m.csv"
    measures.write_text(
        "datum;produkt;orsak;åtgärd;ansvarig\n2020-02-01;;Väntetid;Fler svarar;\n2020-02-01;;;Ny webbplats;\n", "utf-8"
    )
    page = report(*files, output=tmp_path / "ut", measures=measures, settings=Settings()).page.read_text("utf-8")
    assert page.count("Obs! Månaderna är märkta av olika modeller, så skillnaden kan bero på modellen.") == 1
    assert page.index("Fler svarar") < page.index("Obs! Månaderna är märkta") < page.index("Ny webbplats (")
