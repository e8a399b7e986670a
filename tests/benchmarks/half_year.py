"""Half a year of the loop: each month label, review 40, learn, retrain, promote; quality and honesty by month.

    make benchmark
    python tests/benchmarks/half_year.py [--folder FOLDER]

The months are made of the five example months and the real reviews of the development set. Nobody who wrote in one
month wrote in another, nor in the starter corpus, which the first model learns: so what is gained is not gained by
knowing an author. Real reviews are left out where they are not at hand. With a folder (a new one) the months stay
there, so that notebook 05 can be given them.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import chdir
from pathlib import Path

import pandas as pd
from peers import HERE, REVIEWS, console, real_texts, record
from rich.table import Table

from nollclassify.demonstration import labelled_examples
from nollclassify.estimation import Interval, wilson
from nollclassify.rehearsal import rehearse

MONTHS = ("2019-10", "2019-11", "2019-12", "2020-01", "2020-02", "2020-03")
# The last example month is the largest; each of its two authors fills a month.
DIVIDED = "exempel-mars-2020"
N = 40
COLUMNS = ["case_id", "text", "received", "channel", "product", "causes", "primary_cause"]


def half_year(folder: Path) -> list[Path]:
    """Write six labelled months, in order; no author of an example text stands in two of them."""
    parts: list[pd.DataFrame] = []
    for path in labelled_examples(folder / "examples"):
        cases = pd.read_csv(path, sep=";", dtype=str, keep_default_na=False)
        authors = cases["author"] if path.stem == DIVIDED else pd.Series("", index=cases.index)
        parts += [part for _, part in cases.groupby(authors)]
    reviews, paths = real_reviews(), []
    for number, (month, examples) in enumerate(zip(MONTHS, parts, strict=True)):
        cases = pd.concat([examples, reviews.iloc[number :: len(MONTHS)]], ignore_index=True)
        # The days of an example text stay, as far as all months have them.
        day = cases["received"].str[8:10].replace("", "15").fillna("15").astype(int).clip(1, 28)
        cases["received"] = [f"{month}-{of_month:02d}" for of_month in day]
        paths.append(folder / f"{month}.csv")
        cases[COLUMNS].fillna("").to_csv(paths[-1], index=False)
    return paths


def real_reviews() -> pd.DataFrame:
    """The development set in an order by chance; no row where the reviews are not at hand."""
    labels = pd.read_csv(HERE / "real_dev_set.csv", keep_default_na=False, dtype=str)
    texts = real_texts() if REVIEWS.exists() else {}
    found = labels[labels["id"].isin(texts)].sample(frac=1, random_state=0)
    causes = found["causes"]
    return pd.DataFrame(
        {
            "case_id": found["id"],
            "text": found["id"].map(texts),
            "channel": "omdöme",
            "causes": causes,
            "primary_cause": causes.str.split(";").str[0],
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where everything stays, by default nowhere")
    kept = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as name:
        folder = (kept or Path(name)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        with chdir(folder):
            table = rehearse(*half_year(folder), n=N, progress=console.print)
    shown = Table(title=f"Half a year, {N} reviewed and {N} audited a month", title_justify="left")
    heads = ("month", "n", WIDE[0], "first model", "micro-F1", "first model", "without review", WIDE[1])
    for head in (*heads, "covered", "corrected", *REASONS, "promoted"):
        shown.add_column(head, min_width=19 if head in WIDE else None)
    for row in table.to_dict("records"):
        macro, right = (Interval(*(row[f"{name}{end}"] for end in ("", "_low", "_high"))) for name in FIGURES)
        first = (f"{row['macro_f1_first']:.3f}", f"{row['micro_f1']:.3f}", f"{row['micro_f1_first']:.3f}")
        wrong = [f"{row[f'{reason}_wrong']} of {row[reason]}" for reason in REASONS.values()]
        last = (f"{row['covered']} of {row['intervals']}", str(row["corrections"]), *wrong)
        promoted = "yes" if row["promoted"] else "no"
        shown.add_row(
            *(row["month"], str(row["n"]), told(macro), *first, f"{row['unreviewed']:.3f}", told(right)),
            *(*last, promoted),
        )
    console.print(shown)
    covered = wilson(int(table["covered"].sum()), int(table["intervals"].sum()))
    console.print(f"covered: {table['covered'].sum()} of {table['intervals'].sum()} intervals, {told(covered)}")
    for head, reason in REASONS.items():
        wrong = wilson(int(table[f"{reason}_wrong"].sum()), int(table[reason].sum()))
        console.print(f"{head}: {told(wrong)}, n {table[reason].sum()}")
    gains = {f"{name} gain": float((table[name] - table[f"{name}_first"]).mean()) for name in ("macro_f1", "micro_f1")}
    console.print(", ".join(f"{name} over the first model, mean of the months: {v:+.3f}" for name, v in gains.items()))
    record("half a year", {"n": str(N)}, {"coverage": covered.estimate, **gains})


REASONS = {"wrong by worth": "by_worth", "wrong by chance": "by_chance"}
WIDE = ("macro-F1 (95 %)", "of these right")
FIGURES = ("macro_f1", "unreviewed_right")


def told(interval: Interval) -> str:
    return f"{interval.estimate:.3f} ({interval.low:.3f}-{interval.high:.3f})"


if __name__ == "__main__":
    main()
