"""Does `learn` know every answer of a review book, whatever people did to it? A thousand books, filled in and edited.

    python tests/benchmarks/book_edits.py --times 1000

`review` makes the books of the example months, labelled by a model (a small one is trained where none is given); every
other month with case ids that spreadsheets like to change. Each is filled in by one person or two, edited by chance
(tests/book_edits.py), two in five saved by LibreOffice, and learned from twice into a ledger of its own. An answer that
is left in the book must be in the ledger once, on its own case, or its row among the problems. It ends with an error
where an answer was lost, put on another case or added again.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import pandas as pd  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from nollclassify.case_writing import write_table  # noqa: E402
from nollclassify.labelling import label  # noqa: E402
from nollclassify.reviewing import review  # noqa: E402
from nollclassify.settings import Settings  # noqa: E402
from nollclassify.taxonomy import Taxonomy, load_taxonomy  # noqa: E402
from nollclassify.training import train  # noqa: E402
from nollclassify.training_data import read_starter  # noqa: E402
from tests.book_chains import run  # noqa: E402
from tests.books import IDS, TEXTS  # noqa: E402
from tests.conftest import QUICK  # noqa: E402

MONTHS = ("mars-2019", "januari-2020", "februari-2020", "mars-2020")
COUNTED = ("answers", "kept", "told", "lost", "wrong", "again")


def trained(folder: Path, taxonomy: Taxonomy) -> Path:
    starter = read_starter(taxonomy).fields
    few = starter[starter["author"].isin(sorted(starter["author"].unique())[:4])]
    few[["case_id", "text", "causes", "primary_cause", "author"]].to_csv(folder / "few.csv", index=False, sep=";")
    train(folder / "few.csv", starter=False, register=False, output=folder / "model", candidates=QUICK)
    return folder / "model"


def empty_books(folder: Path, model: Path) -> list[Path]:
    """Of every month a book as it is, and one with difficult ids and some texts that are alike."""
    books = []
    for number, month in enumerate(MONTHS):
        cases = pd.read_excel(ROOT / f"nollclassify/data/exempel-{month}.xlsx", dtype=str, engine="openpyxl").fillna("")
        cases = cases[cases["Klagomål"] != ""].drop_duplicates("Ärende").reset_index(drop=True)
        spoilt = cases.copy()
        spoilt.loc[: len(IDS) - 1, "Ärende"] = IDS
        spoilt.loc[: len(TEXTS) - 1, "Klagomål"] = [text.replace("\x01", "") for text in TEXTS]
        spoilt.loc[len(IDS) :, "Ärende"] = [f"{n:06d}" for n in range(len(spoilt) - len(IDS))]
        for name, table in (("as it is", cases), ("spoilt", spoilt)):
            source, labelled = folder / f"{month} {name}.csv", folder / f"{month} {name}.labelled.csv"
            write_table(table, source)
            label(source, model=model, output=labelled)
            n = (40, 25)[number % 2]
            book = folder / f"{month} {name}.xlsx"
            books.append(review(labelled, n=n, seed=number, output=book, settings=Settings()).output)
    return books


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, help="a model directory [a small one is trained]")
    options = parser.parse_args()
    taxonomy = load_taxonomy()
    figures: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        books = empty_books(folder, options.model or trained(folder, taxonomy))
        for number, (chain, verdict) in enumerate(run(books, options.times, folder, taxonomy, options.seed)):
            found = {name: getattr(verdict, name) for name in COUNTED}
            found |= {"lost": len(verdict.lost), "wrong": len(verdict.wrong)}
            if verdict.lost or verdict.wrong or verdict.again:
                print(
                    f"book {number}: {chain.kinds}: lost {verdict.lost}, wrong {verdict.wrong}, {verdict.again} again"
                )
            kinds = {"all", "without harm" if "harm" not in chain.kinds else "with harm", *chain.kinds}
            if any(kind.startswith("LibreOffice") for kind in kinds):
                kinds.add("LibreOffice, all")
            for kind in kinds - {"harm"}:
                figures[kind].update(found, books=1)
            reasons.update(verdict.reasons)
    show(figures, reasons)
    raise SystemExit(any(figures["all"][name] for name in ("lost", "wrong", "again")))


def show(figures: dict[str, Counter[str]], reasons: Counter[str]) -> None:
    table = Table("what was done", *(name for name in ("books", *COUNTED)))
    for kind, counts in sorted(figures.items(), key=lambda item: (-item[1]["books"], item[0])):
        table.add_row(kind, *(str(counts[name]) for name in ("books", *COUNTED)))
    Console(width=120).print(table)
    for reason, n in reasons.most_common(25):
        print(f"{n:>6}  {reason}")


if __name__ == "__main__":
    main()
