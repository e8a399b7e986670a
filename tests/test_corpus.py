"""The starter corpus is what its README says, and the example month is none of it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest

from nollclassify.cases import read_cases
from nollclassify.evaluation import near_duplicates
from nollclassify.privacy import mask
from nollclassify.swedish import words
from nollclassify.taxonomy import Taxonomy

DATA = Path(str(files("nollclassify") / "data"))
CHANNELS = {"phone", "chat", "email", "web_form", "survey", "social_media", "app_store", "review_site", "authority"}


@pytest.fixture(scope="module")
def corpus() -> pd.DataFrame:
    return pd.read_json(DATA / "starter_corpus.jsonl", lines=True, dtype=False)


@pytest.fixture(scope="module")
def month(taxonomy: Taxonomy) -> pd.DataFrame:
    return read_cases(DATA / "exempel-mars-2020.xlsx", taxonomy).fields


def test_it_is_large_varied_and_by_many_hands(corpus: pd.DataFrame) -> None:
    assert len(corpus) >= 4000
    assert corpus["author"].nunique() >= 40
    assert corpus["voice"].nunique() >= 80
    assert set(corpus["channel"]) == CHANNELS
    lengths = corpus["text"].str.split().str.len()
    assert lengths.between(4, 400).all()
    assert (lengths <= 12).mean() > 0.1
    assert (lengths > 100).sum() > 700


def test_the_shares_are_those_of_the_brief(corpus: pd.DataFrame, taxonomy: Taxonomy) -> None:
    causes = corpus["causes"].map(lambda cell: [c for c in cell.split(";") if c])
    assert 0.40 < (causes.map(len) == 0).mean() < 0.55
    assert (causes.map(len) > 1).sum() > 700
    counts = causes.explode().value_counts()
    assert all(counts[cause] >= 800 for cause in taxonomy.cause_ids)


def test_every_boundary_has_a_dozen_texts_on_both_sides(corpus: pd.DataFrame) -> None:
    counts = corpus.loc[corpus["boundary"] != "", "boundary"].value_counts()
    sides = {name[:-1] for name in counts.index if name.endswith("+")}
    assert len(sides) >= 16
    assert all(counts[side + sign] >= 12 for side in sides for sign in "+-")


def test_texts_that_are_nearly_the_same_are_twins(corpus: pd.DataFrame, month: pd.DataFrame) -> None:
    """Of one author, and of different causes: a complaint and its nearest neighbour beyond the contract's line."""
    texts, n = [*corpus["text"], *month["text"]], len(corpus)
    alike = [pair for pair in near_duplicates(texts) if min(pair) < n]
    assert max(max(pair) for pair in alike) < n
    a, b = (corpus.iloc[list(side)].reset_index(drop=True) for side in zip(*alike, strict=True))
    assert (a["author"] == b["author"]).all()
    assert (a["causes"] != b["causes"]).all()


def test_hardly_any_two_texts_of_one_author_and_cause_open_alike(corpus: pd.DataFrame) -> None:
    openings = corpus["author"] + corpus["causes"] + corpus["text"].str.lower().str.split().str[:4].str.join(" ")
    assert openings.duplicated().mean() < 0.001  # plain people do begin alike now and then; twins have other causes


def test_the_personal_data_in_it_is_invented_and_masked(corpus: pd.DataFrame) -> None:
    masked = corpus["text"].map(mask)
    assert (masked != corpus["text"]).sum() > 50
    assert not masked.str.contains(r"(?:900101|850217|730630|610811)-\d{4}").any()
    assert not masked.str.contains(r"@example\.").any()


def test_the_example_month_has_300_complaints_and_the_faults_of_a_real_register(taxonomy: Taxonomy) -> None:
    cases = read_cases(DATA / "exempel-mars-2020.xlsx", taxonomy)
    assert len(cases.fields) >= 300
    assert len(cases.rejected) == 3
    assert cases.fields["received"].str.startswith("2020-03").all()
    assert cases.fields["product"].nunique() >= 8
    assert not set(cases.original.columns) & {"causes", "orsaker"}


@pytest.mark.parametrize(
    ("name", "month"),
    [("mars-2019", "2019-03"), ("april-2019", "2019-04"), ("januari-2020", "2020-01"), ("februari-2020", "2020-02")],
)
def test_the_other_example_months_have_150_to_300_complaints_each(name: str, month: str, taxonomy: Taxonomy) -> None:
    cases = read_cases(DATA / f"exempel-{name}.xlsx", taxonomy)
    assert 150 <= len(cases.fields) <= 300
    assert cases.rejected.empty
    assert cases.fields["received"].str.startswith(month).all()
    customers = cases.fields["customer"][cases.fields["customer"] != ""]
    assert customers.duplicated().sum() >= 4  # who comes back


def test_the_answers_belong_to_the_cases_of_the_months_one_each(taxonomy: Taxonomy) -> None:
    answers = pd.read_csv(DATA / "exempel-facit.csv", keep_default_na=False)
    months = [read_cases(path, taxonomy).fields for path in sorted(DATA.glob("exempel-*-20*.xlsx"))]
    assert len(months) == 5
    assert answers["case_id"].is_unique
    assert set(pd.concat(months)["case_id"]) <= set(answers["case_id"])
    known = {*taxonomy.cause_ids, ""}
    assert {cause for cell in answers["causes"] for cause in cell.split(";")} == known


def test_no_text_of_the_months_is_in_the_corpus(corpus: pd.DataFrame, taxonomy: Taxonomy) -> None:
    trained = {" ".join(words(text)) for text in corpus["text"]}
    for path in sorted(DATA.glob("exempel-*-20*.xlsx")):
        long = [t for t in read_cases(path, taxonomy).texts if len(t.split()) > 8]
        assert not [t for t in long if " ".join(words(t)) in trained]


def test_the_readme_of_the_data_tells_the_size_and_the_authors(corpus: pd.DataFrame) -> None:
    told = (DATA / "README.md").read_text(encoding="utf-8")
    assert f"{len(corpus):,} labelled complaints" in told
    assert f"by {corpus['author'].nunique()}\nauthors" in told
    assert f"of {corpus['voice'].max()} voices" in told
