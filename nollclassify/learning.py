"""FLOW: filled-in review books -> the ledger of corrections; what was taken in, what must be mended, who disagrees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from nollclassify.case_writing import write_table
from nollclassify.corrections import CHANGED, COLLISION, NEW, NOTHING_THERE, TAKEN_BACK, UNCHANGED, Corrections
from nollclassify.errors import InputError
from nollclassify.privacy import mask
from nollclassify.review_books import Answers, read_book
from nollclassify.settings import Settings, load_settings
from nollclassify.taxonomy import Taxonomy, load_taxonomy

_OUTCOMES = (NEW, CHANGED, UNCHANGED, TAKEN_BACK)
_PROBLEM = ["line", "column", "reason"]
_TOLD = ["book", *_OUTCOMES, "unanswered", "refused", "unnamed", "nameless", "replaced", "overtaken"]


@dataclass(frozen=True)
class Learned:
    """What `learn` took in.

    Attributes:
        books: one row a book that could be read: `book` (its path), how many answers were `new`, `changed`,
            `unchanged` and `taken_back`, how many cases are `unanswered`, how many rows were `refused`, and `unnamed`:
            changed ones that have no other reviewer than the book's name. Further `nameless`: answers that have no
            other reviewer; `replaced`: earlier ones without a name, instead of which a named one holds now; and
            `overtaken`: the rows of `unchanged` answers that do not hold any more, for they were taken back or changed
            since by other means than the book.
        problems: what was not taken in, of all books: `book`, `line` (0 for the whole book), `column`, `reason`.
        problem_files: where the same is written, for each book that has any: BOOK.problem.csv.
        conflicts: the decisions of all cases on which reviewers disagree, as `Corrections.conflicts`.
        by_hand: how many decisions were taken back without a book.
        n_settled: how many cases are settled now: what `train` reads.
    """

    books: pd.DataFrame
    problems: pd.DataFrame
    problem_files: tuple[Path, ...]
    conflicts: pd.DataFrame
    by_hand: int
    n_settled: int


def learn(
    *books: str | Path, reviewer: str = "", settings: Settings | None = None, take_back: Sequence[str] = ()
) -> Learned:
    """Take the answers of filled-in review books into the ledger of corrections; read twice, a book changes nothing.

    Rows that are not clear are left out, all others are taken in. An answer belongs to the person in `granskat av`,
    else to `reviewer`, else to the book's name, so that two people's copies of one book are told apart. Where a row is
    named later, the answer that the same book gave of the case without a name is taken back.

    Args:
        books: workbooks that `review` wrote and people filled in.
        reviewer: who answered, where a row does not say.
        settings: by default those of the working directory.
        take_back: case ids, or keys, whose decision is to hold no longer; that of `reviewer` where he is named.

    Raises:
        InputError: no book can be read, the ledger cannot be used, or a decision to take back that is not there or not
            one person's alone.
    """
    settings = settings or load_settings()
    taxonomy = load_taxonomy(Path(settings.taxonomy) if settings.taxonomy else None)
    if not books and not take_back:
        raise InputError("ingen bok är angiven; ange en eller flera som `nollclassify review` skrev.")
    ledger, reviewer = Corrections(settings.corrections), " ".join(reviewer.split())
    read, unreadable = _read(books, taxonomy)
    by_hand = _take_back(ledger, take_back, reviewer)
    told, problems, files = [], list(unreadable), []
    taken_in = _append(ledger, read, reviewer)
    replaced = _replace_nameless(ledger, taken_in)
    holding = _holding(ledger)
    for path, answers, part in taken_in:
        mend = pd.concat([answers.problems, _refused(part)], ignore_index=True).sort_values("line", kind="stable")
        told.append(
            _told(path, answers, part, mend) | {"replaced": replaced[path], "overtaken": _overtaken(part, holding)}
        )
        files += _write_problems(path, mend)
        problems.append(mend.assign(book=str(path)))
    return Learned(
        pd.DataFrame(told, columns=_TOLD),
        pd.concat([pd.DataFrame(columns=["book", *_PROBLEM]), *problems], ignore_index=True),
        tuple(files),
        ledger.conflicts(),
        by_hand,
        len(ledger.settled()),
    )


def _read(books: Sequence[str | Path], taxonomy: Taxonomy) -> tuple[list[tuple[Path, Answers]], list[pd.DataFrame]]:
    """The books that can be read, each once, and of the others why not; InputError where none can be."""
    read, errors = [], []
    for path in dict.fromkeys(map(Path, books)):
        try:
            read.append((path, read_book(path, taxonomy)))
        except InputError as error:
            errors.append((path, error))
    if errors and not read:
        raise errors[0][1]
    reasons = [(str(path), 0, "", str(error).removeprefix(f"{path}: ")) for path, error in errors]
    return read, [pd.DataFrame(reasons, columns=["book", *_PROBLEM])]


def _append(
    ledger: Corrections, read: Sequence[tuple[Path, Answers]], reviewer: str
) -> list[tuple[Path, Answers, pd.DataFrame]]:
    """Add the answers of all books at once; each book with its rows and what became of them, `outcome`."""
    if not read:
        return []
    parts = [_rows(path, answers, reviewer) for path, answers in read]
    outcomes = iter(ledger.append(pd.concat(parts, ignore_index=True)).outcomes)
    return [
        (path, answers, part.assign(outcome=list(islice(outcomes, len(part)))))
        for (path, answers), part in zip(read, parts, strict=True)
    ]


def _rows(path: Path, answers: Answers, reviewer: str) -> pd.DataFrame:
    rows = answers.rows
    named = [name or reviewer or path.stem for name in rows["reviewer"]]
    # What people write beside a complaint may name the customer.
    comments = [mask(comment) for comment in rows["comment"]]
    return rows.assign(reviewer=named, file=path.name, comment=comments, in_cell=rows["reviewer"].astype(bool))


def _replace_nameless(ledger: Corrections, taken_in: Sequence[tuple[Path, Answers, pd.DataFrame]]) -> Counter[Path]:
    """Take back what a book said of a case without a name before, where it is named now; how many, by book.

    Else one person would be two reviewers. A name of `--reviewer` counts only where the answer is the same: another
    person may have filled in a book of the same name. Nor is anything taken back that still stands without a name.
    """
    count: Counter[Path] = Counter()
    if not taken_in:
        return count
    current, everything = ledger.current(), pd.concat([part for *_, part in taken_in])
    for path, _, part in taken_in:
        without = current[(current["reviewer"] == path.stem) & (current["file"] == path.name)]
        still = everything[everything["reviewer"].astype(str).str.casefold() == path.stem.casefold()]
        accepted = part[part["outcome"].isin(_OUTCOMES)].set_index("key")
        same = accepted["causes"] == without.set_index("key")["causes"].reindex(accepted.index)
        named = set(accepted.index[accepted["in_cell"] | (same & ~accepted["taken_back"])]) - set(still["key"])
        rows = without[without["key"].isin(named)]
        rows = rows.assign(taken_back=True, proposed="", comment="")
        count[path] = ledger.append(rows).count(TAKEN_BACK)
    return count


def _holding(ledger: Corrections) -> dict[tuple[str, str], str]:
    """The causes that hold now, by key of the case and reviewer."""
    rows = ledger.current()
    return dict(zip(zip(rows["key"], rows["reviewer"].str.casefold(), strict=True), rows["causes"], strict=True))


def _overtaken(part: pd.DataFrame, holding: Mapping[tuple[str, str], str]) -> tuple[int, ...]:
    """The rows that say the same as when the book was last read, though something else holds since."""
    same = part[part["outcome"] == UNCHANGED].to_dict("records")
    said = [(row["line"], row["key"], row["reviewer"], None if row["taken_back"] else row["causes"]) for row in same]
    return tuple(line for line, key, who, causes in said if holding.get((key, who.casefold())) != causes)


def _refused(part: pd.DataFrame) -> pd.DataFrame:
    """The problems of the rows that the ledger did not take."""
    why = {
        COLLISION: "{} har olika svar om samma klagomål i det som läses in; rätta så att ett svar är kvar, "
        "eller skriv i granskat av vem som svarade vad.",
        NOTHING_THERE: "{} har inget beslut om klagomålet att ta tillbaka; skriv i granskat av vem som fattade det.",
    }
    refused = part[part["outcome"].isin(list(why))]
    reasons = [why[o].format(name) for o, name in zip(refused["outcome"], refused["reviewer"], strict=True)]
    return pd.DataFrame({"line": refused["line"], "column": "huvudorsak", "reason": reasons})


def _told(path: Path, answers: Answers, part: pd.DataFrame, mend: pd.DataFrame) -> dict[str, Any]:
    counts = part["outcome"].value_counts()
    answered = part["key"].nunique() + len(answers.problems)
    unnamed = (part["outcome"] == CHANGED) & (part["reviewer"].astype(str).str.casefold() == path.stem.casefold())
    return {
        "book": str(path),
        **{outcome: int(counts.get(outcome, 0)) for outcome in _OUTCOMES},
        "unanswered": max(answers.n_asked - answered, 0),
        "refused": len(mend),
        "unnamed": int(unnamed.sum()),
        "nameless": int((part["outcome"].isin(_OUTCOMES) & ~part["in_cell"] & (part["reviewer"] == path.stem)).sum()),
    }


def _write_problems(path: Path, mend: pd.DataFrame) -> list[Path]:
    """What must be mended in a book as a table beside it; one of an earlier reading goes when there is nothing more.

    Not a workbook: `learn *.xlsx` would take it for a book of answers.
    """
    file = path.with_name(f"{path.stem}.problem.csv")
    if mend.empty:
        file.unlink(missing_ok=True)
        return []
    write_table(mend[_PROBLEM].set_axis(["rad", "kolumn", "att rätta"], axis=1), file)
    return [file]


# --- taking back without a book ----------------------------------------------------------------------------------


def _take_back(ledger: Corrections, wanted: Sequence[str], reviewer: str) -> int:
    """Take decisions back, all or none; how many."""
    if not wanted:
        return 0
    current = ledger.current()
    rows = pd.concat([_decision(current, case.strip(), reviewer) for case in dict.fromkeys(wanted)])
    rows = rows.assign(taken_back=True, proposed="", comment="", file="", line=0)
    return ledger.append(rows).count(TAKEN_BACK)


def _decision(current: pd.DataFrame, case: str, reviewer: str) -> pd.DataFrame:
    """The one current decision of a case, by its id or key; InputError where there is none or more than one."""
    there = current[(current["case_id"] == case) | (current["key"] == case)]
    if reviewer:
        there = there[there["reviewer"].str.casefold() == reviewer.casefold()]
    by = f" av {reviewer}" if reviewer else ""
    if there.empty:
        raise InputError(f"ärende {case}: inget beslut{by} gäller; kontrollera numret och namnet.")
    if there["key"].nunique() > 1:
        keys = ", ".join(sorted(there["key"].unique()))
        raise InputError(f"ärende {case}: flera klagomål har numret; ange i stället nyckeln, en av {keys}.")
    if len(there) > 1:
        raise InputError(f"ärende {case}: beslut av {', '.join(there['reviewer'])} gäller; välj ett med --reviewer.")
    return there
