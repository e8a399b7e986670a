"""A month against the training texts: figures, the rule, the page, and the command."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nollclassify import audit
from nollclassify.auditing import read_audit
from nollclassify.drift_page import drift, left_out, next_step, verdict
from nollclassify.drifting import LEAST_COMPLAINTS, Figure, _holm, measure_drift
from nollclassify.errors import InputError, ModelError
from nollclassify.estimation import Interval
from nollclassify.expected import Kept, expected_f1, expected_share, kept
from nollclassify.model_store import StoredModel
from nollclassify.reference import read_reference
from nollclassify.settings import Settings
from nollclassify.taxonomy import Taxonomy
from nollclassify.text_labels import label_texts
from tests.conftest import Workplace, run

# --- quality without labels --------------------------------------------------------------------------------------


def test_the_share_that_is_found_lies_in_the_interval_that_was_expected() -> None:
    generator = np.random.default_rng(0)
    how, inside = Kept(0.0, 0.0, 0.4), 0
    for seed in range(100):
        promised = generator.uniform(0.5, 0.99, 200)
        moved = 1 / (1 + np.exp(-np.log(promised / (1 - promised)) - generator.normal(0, 0.4 / np.sqrt(2))))
        found = (generator.random(200) < moved).mean()
        interval = expected_share(promised, how, seed)
        inside += interval.low <= found <= interval.high
    assert 89 <= inside <= 100


def test_how_promises_are_kept_is_found_again_from_groups() -> None:
    generator = np.random.default_rng(1)
    group = np.repeat(np.arange(200), 100)
    offset = generator.normal(-0.5, 0.8, 200)[group]
    promised = generator.uniform(0.3, 0.7, len(group))
    truth = 1 / (1 + np.exp(-np.log(promised / (1 - promised)) - offset))
    how = kept(promised, generator.random(len(group)) < truth, group)
    assert how.offset == pytest.approx(-0.45, abs=0.1)  # one step from zero: a little short of -0.5
    assert how.spread == pytest.approx(0.7, abs=0.15)


def test_promises_that_were_never_made_are_kept_as_they_may_be() -> None:
    assert kept(np.zeros(0), np.zeros(0), np.zeros(0)) == Kept(0.0, 1.0, 1.0)


def test_expected_f1_of_sure_and_right_labels_is_nearly_one() -> None:
    p = np.repeat([0.999, 0.001], 500)
    f1 = expected_f1(p, p > 0.5, Kept(0, 0, 0), Kept(0, 0, 0))
    assert f1.estimate == pytest.approx(0.999, abs=1e-3)
    assert f1.low > 0.98


def test_expected_f1_of_a_cause_that_is_not_there_is_unknown() -> None:
    f1 = expected_f1(np.full(50, 0.001), np.zeros(50), Kept(0, 0, 0), Kept(0, 0, 0))
    assert np.isnan(f1.estimate)


# --- the rule ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("span", "reference", "limit", "over"),
    [
        ((0.12, 0.14), 0.08, 0.10, True),
        ((0.09, 0.14), 0.08, 0.10, False),
        ((0.60, 0.70), 0.80, 0.75, True),
        ((0.60, 0.76), 0.80, 0.75, False),
        ((0.85, 0.90), 0.80, 0.75, False),
        ((0.5, 0.6), 0.1, None, False),
    ],
)
def test_only_an_interval_wholly_beyond_the_limit_speaks_for_training(
    span: tuple[float, float], reference: float, limit: float | None, over: bool
) -> None:
    assert Figure("unknown", 100, Interval(sum(span) / 2, *span), reference, limit).over is over


@pytest.mark.parametrize(
    ("value", "limit", "judged"),
    [
        ((0.80, 0.55, 1.0), 0.814, "unclear"),
        ((0.80, 0.75, 0.81), 0.814, "over"),
        ((0.82, 0.70, 0.90), 0.814, "within"),
        ((0.82, 0.70, 0.90), None, "told"),
    ],
)
def test_a_figure_beyond_its_limit_that_may_be_chance_is_not_within_it(
    value: tuple[float, float, float], limit: float | None, judged: str
) -> None:
    assert Figure("right", 9, Interval(*value), 0.864, limit).judged == judged


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_corrected_p_values_are_no_smaller_keep_their_order_and_stay_below_one(p_values: list[float]) -> None:
    corrected = _holm(p_values)
    assert all(p <= c <= 1 for p, c in zip(p_values, corrected, strict=True))
    assert [corrected[i] for i in np.argsort(p_values, kind="stable")] == sorted(corrected)


def test_holms_own_steps() -> None:
    assert _holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


# --- the reference -----------------------------------------------------------------------------------------------


def test_a_model_tells_what_its_training_texts_looked_like(stored: StoredModel) -> None:
    reference = read_reference(stored.manifest["reference"])
    assert reference is not None
    assert reference.texts == len(stored.held_out.digests)
    assert 0 < reference.unknown < 1
    assert 0 < reference.right < 1
    assert reference.lengths == tuple(sorted(reference.lengths))
    assert reference.to_dict() | {"lengths": list(reference.lengths)} == stored.manifest["reference"]


@given(st.recursive(st.none() | st.floats() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)))
def test_what_is_no_reference_is_none(plain: Any) -> None:
    assert read_reference(plain) is None


@pytest.mark.parametrize("value", [float("nan"), "0.1", None, True, 1e300])
def test_a_reference_with_what_is_no_number_is_none(stored: StoredModel, value: Any) -> None:
    assert read_reference(stored.manifest["reference"] | {"unknown": value}) is None


# --- a month -----------------------------------------------------------------------------------------------------


def month(path: Path, texts: list[str], stored: StoredModel, when: str = "2020-03", **more: Any) -> Path:
    """A file as `label` writes it."""
    frame = label_texts(texts, stored).assign(**more)
    ids = [f"{when}-{n}" for n in range(len(texts))]
    frame.insert(0, "klagomål", texts)
    frame.assign(ärende=ids, datum=f"{when}-10").to_csv(path, index=False, sep=";")
    return path


@pytest.fixture
def familiar(trained: Workplace) -> list[str]:
    """Texts of the training's own authors."""
    return pd.read_csv(trained.cases, sep=";", dtype=str)["text"].tolist()[::2]


STRANGE = [f"zorkel vrimpa{n % 7} quastig blorven {n} frumpel snorg dvalkig prutt vimsor gnork" for n in range(60)]


def test_a_month_of_known_words_needs_no_training(stored: StoredModel, familiar: list[str], tmp_path: Path) -> None:
    found = measure_drift([month(tmp_path / "mars.csv", familiar, stored)], stored, settings=Settings())
    assert not found.retrain
    assert found.n == len(familiar)
    assert verdict(found).startswith("Behövs inte: modellen väntas få allt rätt i ")
    assert sum(part.n for part in found.causes) == found.n


def test_a_month_of_unknown_words_does(stored: StoredModel, tmp_path: Path) -> None:
    found = measure_drift([month(tmp_path / "mars.csv", STRANGE, stored)], stored, settings=Settings())
    assert found.retrain
    assert {figure.name for figure in found.reasons} >= {"unknown", "strange"}
    assert verdict(found).startswith("Träna om: ")


def test_the_mix_is_compared_with_earlier_months_of_the_same_model(
    stored: StoredModel, familiar: list[str], tmp_path: Path
) -> None:
    now = month(tmp_path / "mars.csv", familiar, stored)
    before = month(tmp_path / "feb.csv", familiar, stored, "2020-02")
    other = month(tmp_path / "jan.csv", familiar[:10], stored, "2020-01", model_version="20190101-aa")
    found = measure_drift([now, before, other], stored, settings=Settings())
    assert found.earlier == ("2020-02",)
    assert (found.other_models, found.other_months) == (10, ("2020-01",))
    assert all(part.share == part.before and not part.certain for part in found.causes)
    alone = measure_drift([now], stored, settings=Settings())
    assert (alone.earlier, alone.other_months) == ((), ())
    assert [p.share for p in alone.causes] == [p.share for p in found.causes]


def test_months_of_another_model_are_told_of_and_not_asked_for_again(
    stored: StoredModel, familiar: list[str], tmp_path: Path
) -> None:
    told = (
        "15 rader från januari 2020 och februari 2020 är märkta av en annan modell och är inte med; "
        "märk dem på nytt (nollclassify label FIL --force) för att jämföra."
    )
    now = month(tmp_path / "mars.csv", familiar, stored)
    others = [
        month(tmp_path / f"{m}.csv", familiar[:n], stored, f"2020-0{m}", model_version="20190101-aa")
        for m, n in ((1, 10), (2, 5), (4, 3))
    ]
    page = tmp_path / "d.html"
    found = drift(now, *others, output=page, model=stored, month="2020-03", settings=Settings())
    assert left_out(found) == told
    assert f"inte en kunds blandning. {told}</p>" in page.read_text(encoding="utf-8")
    found = drift(now, output=page, model=stored, settings=Settings())
    assert left_out(found) == ""
    assert "ge tidigare månaders märkta filer också, så jämförs de.</p>" in page.read_text(encoding="utf-8")


def test_the_page_says_it_in_swedish_and_holds_no_complaint(
    stored: StoredModel, familiar: list[str], tmp_path: Path
) -> None:
    files = [
        month(tmp_path / "mars.csv", familiar, stored),
        month(tmp_path / "feb.csv", familiar[:50], stored, "2020-02"),
    ]
    found = drift(*files, output=tmp_path / "d.html", model=stored, json_path=tmp_path / "d.json", settings=Settings())
    page = (tmp_path / "d.html").read_text(encoding="utf-8")
    assert verdict(found) in page.replace("&#39;", "'")
    assert "Jämfört med februari 2020" in page
    for text in familiar:
        assert text[:30] not in page
    assert not re.search(r"""(?:src|href)=["'](?!#)|url\((?!#)""", page)  # nothing is fetched
    plain = json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))
    assert plain["retrain"] is found.retrain
    assert [figure["name"] for figure in plain["figures"]] == ["unknown", "strange", "foreign", "right"]


def test_a_single_complaint_is_enough_for_a_page(stored: StoredModel, familiar: list[str], tmp_path: Path) -> None:
    found = drift(
        month(tmp_path / "m.csv", familiar[:1], stored), output=tmp_path / "d.html", model=stored, settings=Settings()
    )
    assert not found.retrain
    assert "för få" in (tmp_path / "d.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("n", "texts", "wanted", "said"),
    [
        (LEAST_COMPLAINTS, "familiar", "not needed", "Behövs inte: "),
        (
            LEAST_COMPLAINTS - 1,
            "familiar",
            "too few",
            "För få klagomål för att avgöra: månaden har 49, och det behövs ",
        ),
        (LEAST_COMPLAINTS - 1, "strange", "retrain", "Träna om: "),
    ],
)
def test_too_few_complaints_are_never_said_to_be_in_order(
    stored: StoredModel, familiar: list[str], tmp_path: Path, n: int, texts: str, wanted: str, said: str
) -> None:
    path = month(tmp_path / "mars.csv", (familiar if texts == "familiar" else STRANGE)[:n], stored)
    found = drift(path, output=tmp_path / "d.html", model=stored, settings=Settings())
    assert verdict(found).startswith(said)
    plain = found.to_dict()
    assert (plain["verdict"], plain["retrain"]) == (wanted, wanted == "retrain")
    assert [figure["judged"] for figure in plain["figures"]] == [figure.judged for figure in found.figures]
    page = (tmp_path / "d.html").read_text(encoding="utf-8")
    assert "<h1>Mars 2020: behöver modellen tränas om?</h1>" in page
    assert ("#6b7680" in page) is (wanted == "too few")


@pytest.mark.parametrize(("right", "wanted"), [(True, False), (False, True)])
def test_an_audit_that_finds_less_than_was_promised_speaks_for_training(
    stored: StoredModel, familiar: list[str], tmp_path: Path, taxonomy: Taxonomy, right: bool, wanted: bool
) -> None:
    path = month(tmp_path / "mars.csv", familiar, stored)
    said = pd.read_csv(path, sep=";", dtype=str, keep_default_na=False).set_index("ärende")["primary_cause"]
    wrong = {case: "wait_time" if cause != "wait_time" else "naming_confusion" for case, cause in said.items()}
    answers = {case: [cause] if cause else [] for case, cause in (said if right else pd.Series(wrong)).items()}
    book = tmp_path / "g.xlsx"
    audit(path, n=40, output=book, answers=answers, settings=Settings())
    found = measure_drift([path], stored, [book], settings=Settings())
    figure = found.figures[-1]
    assert (figure.name, figure.n) == ("audit", len(read_audit(book, taxonomy).answers))
    assert figure.value.estimate == pytest.approx(float(right))
    assert ("audit" in [f.name for f in found.reasons]) is wanted
    assert wanted or re.search(r"\), \d+\s% av orden är kända och granskningen fann 100\s% rätt\.$", verdict(found))


def test_the_next_step_names_the_files_that_hold_the_month(
    stored: StoredModel, familiar: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    month(Path("mars ett.csv"), familiar, stored)
    month(Path("feb.csv"), familiar, stored, "2020-02")
    found = drift("feb.csv", "mars ett.csv", model=stored, settings=Settings())
    book = "granskning-2020-03.xlsx"
    first, then = f'audit "mars ett.csv" --n 60 --output {book}', f'drift "mars ett.csv" --audit {book}'
    told = f"Vill ni vara säkrare: nollclassify {first}, fyll i boken, och nollclassify {then}."
    assert next_step(found) == told
    page = unescape(Path("drift.html").read_text(encoding="utf-8"))
    assert told in page
    assert f"<code>nollclassify {then}</code>" in page
    month(Path("mars.csv"), STRANGE, stored)
    found = drift("mars.csv", model=stored, settings=Settings())
    assert next_step(found).startswith(
        "Gör så här: nollclassify review mars.csv --output granska.xlsx, rätta i Excel, "
    )
    month(Path("mars.csv"), familiar[:9], stored)
    found = drift("mars.csv", model=stored, settings=Settings())
    assert next_step(found).endswith(" själv: nollclassify review mars.csv --output granska.xlsx --n 9.")


# --- refusals ----------------------------------------------------------------------------------------------------


def spoilt(path: Path, **columns: Any) -> Path:
    frame = pd.read_csv(path, sep=";", dtype=str, keep_default_na=False)
    for name, value in columns.items():
        frame = frame.drop(columns=name) if value is None else frame.assign(**{name: value})
    frame.to_csv(path, index=False, sep=";")
    return path


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"model_version": "20190101-aa"}, "2020-03 är märkt av en annan modell (20190101-aa) än "),
        ({"model_version": None}, "kolumnen model_version saknas; ange filen som `nollclassify label` skrev den."),
        ({"p_wait_time": None}, "kolumnen p_wait_time saknas; ange filen som `nollclassify label` skrev den."),
        ({"p_wait_time": "stor"}, "rad 2, kolumn p_wait_time: ingen sannolikhet mellan 0 och 1; märk filen på nytt."),
        ({"p_wait_time": "1.5"}, "rad 2, kolumn p_wait_time: ingen sannolikhet mellan 0 och 1; märk filen på nytt."),
    ],
)
def test_a_file_that_this_model_did_not_label_is_refused(
    stored: StoredModel, familiar: list[str], tmp_path: Path, columns: dict[str, Any], said: str
) -> None:
    path = spoilt(month(tmp_path / "mars.csv", familiar[:5], stored), **columns)
    with pytest.raises(InputError) as caught:
        measure_drift([path], stored, settings=Settings())
    assert str(caught.value).startswith(f"{path}: {said}")


def test_decimal_commas_are_read(stored: StoredModel, familiar: list[str], tmp_path: Path) -> None:
    path = month(tmp_path / "mars.csv", familiar[:5], stored)
    before = measure_drift([path], stored, settings=Settings())
    with_commas = pd.read_csv(path, sep=";", dtype=str, keep_default_na=False)["p_wait_time"].str.replace(".", ",")
    assert measure_drift([spoilt(path, p_wait_time=with_commas)], stored, settings=Settings()) == before


def test_a_model_that_tells_nothing_of_its_training_texts_is_refused(stored: StoredModel, tmp_path: Path) -> None:
    silent = replace(stored, manifest={k: v for k, v in stored.manifest.items() if k != "reference"})
    with pytest.raises(ModelError, match="säger inget om sina träningstexter; träna om för att få jämförelsen"):
        measure_drift([tmp_path / "mars.csv"], silent, settings=Settings())


def test_a_page_that_is_no_page_is_refused(stored: StoredModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"välj en --output som slutar på \.html"):
        drift(tmp_path / "mars.csv", output=tmp_path / "mars.csv", model=stored, settings=Settings())


def test_the_command_says_whether_to_train_again(
    trained: Workplace, stored: StoredModel, familiar: list[str], tmp_path: Path
) -> None:
    shutil.copytree(trained.directory / "models", tmp_path / "models")
    month(tmp_path / "mars.csv", familiar, stored)
    month(tmp_path / "feb.csv", familiar[:5], stored, "2020-02", model_version="20190101-aa")
    done = run("nollclassify", "drift", "mars.csv", "feb.csv", "-o", "d.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, *_, told, last = done.stdout.splitlines()
    assert first.startswith("Behövs inte: ")
    assert told.startswith("5 rader från februari 2020 är märkta av en annan modell och är inte med; ")
    assert last == "Sida: d.html"
    done = run("nollclassify", "drift", "saknas.csv", cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[-1][:17]) == (4, "Fel: saknas.csv: ")
