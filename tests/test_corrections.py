"""The ledger of corrections: nothing is lost or changed, whatever is read in, in whatever order, killed or not."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nollclassify.corrections import COLUMNS, SCHEMA, Corrections
from nollclassify.errors import InputError
from tests.decisions import decide, decision

CAUSES = ("", "wait_time;campaign_backlash", "campaign_backlash;wait_time")
CASES, PEOPLE, FILES = ("1", "2"), ("Anna", "Bo"), ("a.xlsx", "b.xlsx")
ANSWER = st.one_of(st.sampled_from(CAUSES), st.none())  # None: taken back
BOOK = st.dictionaries(st.sampled_from(CASES), ANSWER, min_size=1)


@pytest.fixture
def ledger(tmp_path: Path) -> Corrections:
    return Corrections(tmp_path / "corrections.sqlite")


def rows_of(book: dict[str, str | None], reviewer: str, file: str) -> list[dict[str, Any]]:
    return [
        decision(case, causes or "", reviewer, taken_back=causes is None, file=file) for case, causes in book.items()
    ]


def said(frame: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return list(frame[list(columns)].itertuples(index=False, name=None))


# --- rules that hold for all imports -----------------------------------------------------------------------------


class Account:
    """A plain account of what books mean: what each file said of a case last, and what each reviewer holds."""

    def __init__(self) -> None:
        self.read: dict[tuple[str, str, str], str | None] = {}
        self.holds: dict[tuple[str, str], str | None] = {}

    def take_in(self, book: dict[str, str | None], reviewer: str, file: str) -> None:
        for case, answer in book.items():
            told = (case, reviewer, file) in self.read and self.read[case, reviewer, file] == answer
            nothing_there = answer is None and (case, reviewer) not in self.holds
            if not told and not nothing_there:
                self.read[case, reviewer, file] = self.holds[case, reviewer] = answer

    def current(self) -> dict[tuple[str, str], str]:
        return {who: answer for who, answer in self.holds.items() if answer is not None}


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(BOOK, st.sampled_from(PEOPLE), st.sampled_from(FILES)), max_size=7))
def test_whatever_is_read_in_history_only_grows_and_the_last_word_holds(imports: list[Any]) -> None:
    account = Account()
    with tempfile.TemporaryDirectory() as folder:
        ledger = Corrections(Path(folder) / "corrections.sqlite")
        before = ledger.history()
        for book, reviewer, file in imports:
            account.take_in(book, reviewer, file)
            decide(ledger, *rows_of(book, reviewer, file))
            history = ledger.history()
            pd.testing.assert_frame_equal(history.head(len(before)), before)
            before = history
            # Once more changes nothing.
            assert set(decide(ledger, *rows_of(book, reviewer, file)).outcomes) <= {"unchanged", "nothing_there"}
        pd.testing.assert_frame_equal(ledger.history(), before)
        current, settled, disputed = ledger.current(), ledger.settled(), ledger.conflicts()
    assert {(c, r): a for c, r, a in said(current, "case_id", "reviewer", "causes")} == account.current()
    answers: dict[str, set[str]] = {}
    for (case, _), answer in account.current().items():
        answers.setdefault(case, set()).add(answer)
    assert sorted(settled["case_id"]) == sorted(case for case, given in answers.items() if len(given) == 1)
    assert sorted(set(disputed["case_id"])) == sorted(case for case, given in answers.items() if len(given) == 2)


@settings(max_examples=10, deadline=None)
@given(BOOK, BOOK)
def test_the_order_of_two_reviewers_books_does_not_matter(one: dict[str, str], other: dict[str, str]) -> None:
    results = []
    books = [rows_of(one, "Anna", "a.xlsx"), rows_of(other, "Bo", "b.xlsx")]
    for order in (books, books[::-1]):
        with tempfile.TemporaryDirectory() as folder:
            ledger = Corrections(Path(folder) / "corrections.sqlite")
            for book in order:
                decide(ledger, *book)
            results.append(ledger.settled().drop(columns=["number", "imported_at"]))
    pd.testing.assert_frame_equal(*results)


# --- what is kept ------------------------------------------------------------------------------------------------


def test_a_decision_is_kept_with_who_when_old_and_new(ledger: Corrections) -> None:
    decide(ledger, decision("17", "wait_time;naming_confusion", comment="kö", line=9, probability=float("nan")))
    decide(ledger, decision("17", "", file="ny.xlsx"))
    decide(ledger, decision("17", "x", taken_back=True, file="ny.xlsx"))
    decide(ledger, decision("17", "wait_time", file="ny.xlsx"))
    history = ledger.history()
    assert tuple(history.columns) == COLUMNS
    assert said(history, "old_causes", "causes", "taken_back", "file") == [
        ("wait_time", "wait_time;naming_confusion", False, "bok.xlsx"),
        ("wait_time;naming_confusion", "", False, "ny.xlsx"),
        ("", "", True, "ny.xlsx"),
        ("wait_time", "wait_time", False, "ny.xlsx"),  # after it was taken back the model's proposal stands again
    ]
    assert history["imported_at"].str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00").all()
    assert said(history.head(1), "key", "text", "comment", "line", "model_version") == [
        ("key-17", "klagomål 17", "kö", 9, "20200101-abc")
    ]
    assert history["probability"].isna().tolist() == [True, False, False, False]


def test_an_old_book_read_again_does_not_undo_what_was_decided_since(ledger: Corrections) -> None:
    january, march = decision("1", "wait_time", file="januari.xlsx"), decision("1", "", file="mars.xlsx")
    copy = decision("1", "wait_time", file="kopia.xlsx")
    for row in (january, copy, march):
        decide(ledger, row)
    assert decide(ledger, january, copy, march).outcomes == ("unchanged",) * 3
    assert ledger.current()["causes"].tolist() == [""]
    assert len(ledger.history()) == 2


def test_one_name_that_says_two_things_in_one_import_is_a_collision(ledger: Corrections) -> None:
    decide(ledger, decision("1", "wait_time", file="gammal.xlsx"))
    rows = [decision("1", "a"), decision("1", "b", "ANNA "), decision("2", "a"), decision("2", "a")]
    assert decide(ledger, *rows).outcomes == ("collision", "collision", "new", "unchanged")
    assert said(ledger.current(), "case_id", "causes") == [("1", "wait_time"), ("2", "a")]


def test_two_books_of_one_name_that_differ_are_a_collision_however_often_they_are_read(ledger: Corrections) -> None:
    decide(ledger, decision("1", "a"))
    for _ in range(2):
        assert decide(ledger, decision("1", "a"), decision("1", "b")).outcomes == ("collision", "collision")
    assert ledger.current()["causes"].tolist() == ["a"]


def test_a_decision_by_hand_can_be_taken_back_again_and_again(ledger: Corrections) -> None:
    by_hand = decision("1", taken_back=True, file="")
    for file in ("a.xlsx", "b.xlsx"):
        decide(ledger, decision("1", "wait_time", file=file))
        assert decide(ledger, by_hand).outcomes == ("taken_back",)
        assert ledger.settled().empty
    assert decide(ledger, by_hand).outcomes == ("unchanged",)
    assert decide(ledger, decision("2", taken_back=True)).outcomes == ("nothing_there",)


def test_a_reviewer_is_the_same_in_any_case_and_spacing(ledger: Corrections) -> None:
    decide(ledger, decision("1", "wait_time", "Åsa Ek"))
    assert decide(ledger, decision("1", "", " ÅSA  ek", file="b.xlsx")).outcomes == ("changed",)
    assert ledger.current()["reviewer"].tolist() == ["Åsa Ek"]


def test_reviewers_agree_whatever_the_order_of_the_lesser_causes(ledger: Corrections) -> None:
    decide(ledger, decision("1", "a;b;c", "Bo"), decision("1", "a;c;b", "Anna"), decision("2", "a;b", "Bo"))
    decide(ledger, decision("2", "b;a", "Anna"), decision("2", "b;a", "Cia"))
    assert said(ledger.settled(), "case_id", "causes", "reviewer", "number") == [("1", "a;c;b", "Anna; Bo", 2)]
    assert said(ledger.conflicts(), "case_id", "reviewer", "causes") == [
        ("2", "Anna", "b;a"), ("2", "Bo", "a;b"), ("2", "Cia", "b;a"),
    ]  # fmt: skip


def test_odd_texts_are_kept_as_they_are(ledger: Corrections) -> None:
    odd = "=1+1 '; DROP TABLE decisions; -- \x00 \U0001f600 å\n"
    decide(ledger, decision("1", text=odd, comment=odd))
    assert said(ledger.history(), "text", "comment") == [(odd, odd)]


# --- the file ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["decisions", "statements"])
def test_the_file_itself_refuses_changes_and_deletions(ledger: Corrections, table: str) -> None:
    decide(ledger, decision("1", "wait_time"), decision("2"))
    before = ledger.history()
    with closing(sqlite3.connect(ledger.path)) as connection:
        for statement in (
            f"UPDATE {table} SET causes = 'x'",
            f"DELETE FROM {table} WHERE number = 1",
            f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} WHERE number = 1",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="the ledger is only added to"):
                connection.execute(statement)
    pd.testing.assert_frame_equal(ledger.history(), before)


KILLED = """
import os, signal, sys
import pandas as pd
from nollclassify import corrections
from tests.decisions import decide, decision

insert, calls = corrections._insert, 0
def until_killed(*arguments):
    global calls
    calls += 1
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    insert(*arguments)
corrections._insert = until_killed
# More than SQLite keeps in memory, so that it has written to the file before the end.
decide(corrections.Corrections(sys.argv[1]), *(decision(str(n), text="ord " * 20_000) for n in range(100)))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("calls", [1, 190])
@pytest.mark.parametrize("old", [0, 1])
def test_a_killed_import_leaves_the_old_state(ledger: Corrections, calls: int, old: int) -> None:
    decide(ledger, *[decision("gammal", "wait_time")] * old) if old else None
    command = [sys.executable, "-c", KILLED, str(ledger.path), str(calls)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert len(ledger.history()) == old
    decide(ledger, decision("ny"))
    assert len(ledger.current()) == old + 1


def test_two_imports_at_once_are_both_taken_in(ledger: Corrections) -> None:
    code = (
        "import sys; from nollclassify.corrections import Corrections; from tests.decisions import decide, decision\n"
        "for n in range(5): decide(Corrections(sys.argv[1]), decision(f'{sys.argv[2]}-{n}', 'wait_time', sys.argv[2]))"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(ledger.path), name]) for name in ("Anna", "Bo")]
    assert [process.wait() for process in started] == [0, 0]
    assert sorted(ledger.settled()["case_id"]) == [f"{name}-{n}" for name in ("Anna", "Bo") for n in range(5)]


def test_without_a_file_nothing_is_decided_and_none_is_made(ledger: Corrections) -> None:
    for frame in (ledger.history(), ledger.current(), ledger.settled(), ledger.conflicts()):
        assert tuple(frame.columns) == COLUMNS
        assert frame.empty
    assert not ledger.path.exists()
    ledger.path.touch()
    assert ledger.settled().empty


def refusal(ledger: Corrections) -> str:
    found = set()
    for act in (ledger.settled, lambda: decide(ledger, decision("9"))):
        with pytest.raises(InputError) as caught:
            act()
        found.add(str(caught.value).removeprefix(f"{ledger.path}: "))
    (sentence,) = found
    return sentence


def test_a_file_of_another_kind_is_refused(ledger: Corrections) -> None:
    other = "filen är ingen liggare med rättelser; ange en annan fil som corrections i nollclassify.toml."
    ledger.path.write_text("text;orsaker\nhemligt;wait_time\n" * 100, encoding="utf-8")
    assert refusal(ledger) == other
    ledger.path.unlink()
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute("CREATE TABLE runs (id)")
    assert refusal(ledger) == other


def test_a_newer_file_is_refused(ledger: Corrections) -> None:
    decide(ledger, decision("1"))
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    assert refusal(ledger) == "liggaren är skriven av en nyare version av nollclassify; uppdatera programmet."


@pytest.mark.parametrize("spoil", [lambda b: b[: len(b) // 2], lambda b: b[:4096] + b"\x7f" * 99 + b[4195:]])
def test_a_damaged_file_is_one_sentence(ledger: Corrections, spoil: Any) -> None:
    decide(ledger, *(decision(str(n), text="hemligt " * 100) for n in range(50)))
    ledger.path.write_bytes(spoil(ledger.path.read_bytes()))
    assert refusal(ledger).startswith("filen är skadad; lägg tillbaka en säkerhetskopia")


def test_a_file_in_use_is_one_sentence(ledger: Corrections, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nollclassify.corrections.WAIT_SECONDS", 0.05)
    decide(ledger, decision("1"))
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        assert refusal(ledger) == "filen används av en annan körning; försök igen om en stund."


def test_a_folder_in_its_place_is_one_sentence(ledger: Corrections) -> None:
    ledger.path.mkdir()
    with pytest.raises(InputError, match=r"filen går inte att öppna; kontrollera mappen och rättigheterna\."):
        decide(ledger, decision("1"))
