"""Dated events of causes: refused in one sentence where they say something impossible, and old rows read by them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from nollclassify.auditing import audit, read_audit
from nollclassify.case_files import Table
from nollclassify.cases import check_table
from nollclassify.errors import SettingsError
from nollclassify.settings import Settings
from nollclassify.taxonomy import OTHER, Taxonomy, load_taxonomy, parse_taxonomy
from nollclassify.training_data import read_training_data
from tests.audits import fill, labelled, write_answers

VERSION = 'version = "2"\n'


def cause(code: str, heading: str = "causes") -> str:
    names = f'name_sv = "Namn {code}"\nname_en = "Name {code}"\ndefinition_sv = "Om {code}."\n'
    return f'[[{heading}]]\nid = "{code}"\n{names}'


def event(day: str, kind: str, old: list[str], new: list[str], **more: list[str]) -> str:
    lines = [f"date = {day}", f'kind = "{kind}"', f"from = {json.dumps(old)}", f"to = {json.dumps(new)}"]
    lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in more.items()]
    return "[[events]]\n" + "\n".join(lines) + "\n"


def contract(living: str, retired: str = "", *events: str) -> Taxonomy:
    """A taxonomy with causes of one letter each, and what became of the retired ones."""
    source = "".join([*map(cause, living), *(cause(c, "retired") for c in retired), *events])
    return parse_taxonomy(VERSION + source.replace('id = "', 'id = "c_'), "egen.toml")


def codes(letters: str) -> list[str]:
    return [f"c_{letter}" for letter in letters]


def happened(day: str, kind: str, old: str, new: str, **more: list[str]) -> str:
    return event(day, kind, codes(old), codes(new), **more)


def read(taxonomy: Taxonomy, *cells: str, keep_split: bool = False) -> tuple[list[str], list[str]]:
    """The causes of the rows that are read, and the reasons of those that are refused."""
    rows = [[f"sak {n}", cell] for n, cell in enumerate(cells)]
    table = Table(["text", "orsaker"], rows, list(range(2, 2 + len(rows))))
    cases = check_table(Path("a.csv"), table, taxonomy, labelled=True, keep_split=keep_split)
    return cases.fields["causes"].tolist(), cases.rejected["rejected_reason"].tolist()


SPLIT = happened("2021-03-01", "split", "a", "yz")
DIVIDED = contract("byz", "a", SPLIT)


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("living", "retired", "events", "fault"),
    [
        ("b", "a", [], "ingen händelse säger vad som blev av c_a; lägg till ett stycke [[events]]."),
        (
            "ab",
            "",
            [happened("2021-03-01", "rename", "a", "b")],
            "c_a utgick 2021-03-01 men står under [[causes]]; byt den rubriken till [[retired]].",
        ),
        (
            "b",
            "a",
            [happened("2021-03-01", "rename", "a", "x")],
            "händelsen 2021-03-01 (rename): okänt id 'c_x'; lägg orsaken under [[causes]] eller [[retired]].",
        ),
        (
            "ab",
            "",
            [happened("2021-03-01", "rename", "a", "b"), happened("2021-04-01", "rename", "b", "a")],
            "händelsen 2021-04-01 (rename): c_a utgick 2021-03-01, och ett id får inte få en ny betydelse; "
            "välj ett nytt id.",
        ),
        (
            "bc",
            "a",
            [happened("2021-03-01", "add", "", "b"), happened("2021-02-01", "rename", "a", "c")],
            "händelsen 2021-02-01 (rename) står efter 2021-03-01; ställ händelserna i tidsordning.",
        ),
        (
            "bc",
            "a",
            [happened("2021-03-01", "rename", "a", "b"), happened("2021-03-01", "split", "b", "cb")],
            "händelse 2 (2021-03-01, split): c_b står i både from och to, och betydde då två saker; "
            "ge den smalare ett eget id.",
        ),
        (
            "c",
            "ab",
            [happened("2021-03-01", "rename", "a", "b"), happened("2021-03-01", "rename", "b", "c")],
            "händelsen 2021-03-01 (rename): c_b har redan en händelse den dagen; skriv en händelse per id och dag.",
        ),
        (
            "b",
            "a",
            [happened("2021-02-01", "add", "", "b"), happened("2021-03-01", "rename", "a", "b")],
            "händelsen 2021-03-01 (rename): c_b fanns redan 2021-02-01; skriv merge med båda i from.",
        ),
        (
            "bc",
            "",
            [happened("2021-02-01", "add", "", "b"), happened("2021-03-01", "add", "", "b")],
            "händelsen 2021-03-01 (add): c_b fanns redan 2021-02-01; välj ett nytt id.",
        ),
        (
            "b",
            "a",
            [happened("2021-03-01", "merge", "a", "b")],
            "händelse 1 (2021-03-01, merge): skriv minst två id i from (också det som blir kvar) och ett i to.",
        ),
        (
            "b",
            "",
            [happened("2021-03-01", "rename", "b", "b")],
            "händelse 1 (2021-03-01, rename): skriv det gamla namnet i old_names.",
        ),
        (
            "b",
            "a",
            [happened("2021-03-01", "rename", "a", "b", old_names=["Förr"])],
            "händelse 1 (2021-03-01, rename): old_names hör till rename med samma id i from och to.",
        ),
        (
            "b",
            "",
            [event("2021-03-01", "rename", codes("b"), ["other"])],
            "händelse 1 (2021-03-01, rename): Övrigt (other) kan bara stå i to för split; "
            "skriv retire för en som utgår.",
        ),
        ("b", "", [happened("2021-03-01", "delas", "b", "b")], "händelse 1 (2021-03-01): kind ska vara något av"),
        (
            "b",
            "",
            [happened('"2021-03-01"', "add", "", "b")],
            "händelse 1: date saknas eller är fel; skriv dagen utan citattecken, som 2021-03-01.",
        ),
        ("b", "", [happened("2021-03-01", "add", "", "b", fom=[])], "händelse 1: okänt fält 'fom'; tillåtna är"),
        ("b", "", ['[[events]]\ndate = 2021-03-01\nkind = "add"\nto = "b"\n'], "händelse 1 (2021-03-01, add): to ska"),
        ("b", "", [happened("2021-03-01", "add", "", "bb")], "händelse 1 (2021-03-01, add): samma text står två"),
        ("b", "b", [], "orsaken c_b står två gånger; ta bort den ena."),
        (
            "bc",
            "",
            [happened("2021-03-01", "rename", "b", "b", old_names=["Namn c"])],
            "det gamla namnet 'namn c' kan betyda två orsaker; ge den ena ett annat namn.",
        ),
        (
            "b",
            "",
            [happened("2021-03-01", "rename", "b", "b", old_names=["Övrigt"])],
            "det gamla namnet 'övrigt' kan betyda två orsaker; ge den ena ett annat namn.",
        ),
        ("b", "", [happened("2021-03-01", "add", "", "b")] * 501, "501 händelser är fler än 500; ta bort de äldsta."),
    ],
)
def test_an_impossible_event_is_refused(living: str, retired: str, events: list[str], fault: str) -> None:
    with pytest.raises(SettingsError) as caught:
        contract(living, retired, *events)
    assert str(caught.value).startswith(f"egen.toml: {fault}")
    assert str(caught.value).endswith(".")


def test_the_longest_chain_that_is_allowed_is_followed_to_its_end() -> None:
    days = [date(2000, 1, 1) + timedelta(days=n) for n in range(500)]
    events = [event(str(day), "rename", [f"x{n}"], [f"x{n + 1}"]) for n, day in enumerate(days)]
    source = "".join([VERSION, cause("x500"), *(cause(f"x{n}", "retired") for n in range(500)), *events])
    assert parse_taxonomy(source).find_cause("x0") == "x500"


# --- old rows ----------------------------------------------------------------------------------------------------


@dataclass
class History:
    """Causes and what happened to them, as somebody would write it down, day by day."""

    living: list[str] = field(default_factory=lambda: [f"k{n}" for n in range(4)])
    retired: list[str] = field(default_factory=list)
    events: list[tuple[str, list[str], list[str]]] = field(default_factory=list)

    def add(self, kind: str, old: list[str], new: list[str]) -> None:
        self.events.append((kind, old, new))
        gone = [code for code in old if code not in new]
        self.retired += gone
        self.living = [c for c in self.living if c not in gone] + [c for c in new if c not in self.living]

    def taxonomy(self) -> Taxonomy:
        days = [str(date(2015, 1, 1) + timedelta(days=40 * n)) for n in range(len(self.events))]
        told = [event(day, *what) for day, what in zip(days, self.events, strict=True)]
        return parse_taxonomy(
            "".join([VERSION, *map(cause, self.living), *(cause(c, "retired") for c in self.retired), *told])
        )


@st.composite
def histories(draw: st.DrawFn, kinds: tuple[str, ...]) -> History:
    history = History()
    for n in range(draw(st.integers(0, 7))):
        kind = draw(st.sampled_from(kinds))
        if kind == "merge" and len(history.living) > 1:
            old = draw(st.lists(st.sampled_from(history.living), min_size=2, max_size=3, unique=True))
            history.add(kind, old, [old[0] if draw(st.booleans()) else f"m{n}"])
        elif kind == "add":
            history.add(kind, [], [f"n{n}"])
        elif kind != "merge" and len(history.living) > 1:
            old = [draw(st.sampled_from(history.living))]
            history.add(kind, old, {"rename": [f"r{n}"], "split": [f"s{n}", f"t{n}"], "retire": []}[kind])
    return history


def by_hand(labels: list[str], events: list[tuple[str, list[str], list[str]]]) -> list[str]:
    """The labels of a case, relabelled at each event in turn."""
    for _, old, new in events:
        labels = [code for label in labels for code in (new if label in old else [label])]
        labels = list(dict.fromkeys(labels))
    return labels


@examples(max_examples=60, deadline=None)
@given(histories(("rename", "merge", "add", "retire")), st.data())
def test_reading_is_the_same_as_relabelling_by_hand_at_every_event(history: History, data: st.DataObject) -> None:
    taxonomy = history.taxonomy()
    every = [*history.living, *history.retired]
    labels = data.draw(st.lists(st.sampled_from(every), max_size=4, unique=True))
    # A code may be as old as the first day: no event before it was made speaks of it.
    assert read(taxonomy, ";".join(labels)) == ([";".join(by_hand(labels, history.events))], [])
    names = [f"  namn {code.upper()} " for code in labels]
    assert read(taxonomy, "; ".join(names))[0] == [";".join(by_hand(labels, history.events))]


@examples(max_examples=60, deadline=None)
@given(histories(("rename", "merge", "split", "retire")), st.data())
def test_a_row_is_refused_just_where_its_code_became_several(history: History, data: st.DataObject) -> None:
    taxonomy = history.taxonomy()
    code = data.draw(st.sampled_from([*history.living, *history.retired]))
    maybe = {code}
    for kind, old, new in history.events:
        after = new if kind != "retire" else [OTHER]
        maybe = {c for label in maybe for c in (after if label in old else [label])}
    rows, reasons = read(taxonomy, code)
    if len(maybe) > 1:
        assert rows == []
        assert reasons[0].startswith("orsaken Namn ")
        assert reasons[0].endswith("; märk raden om")
        fate = taxonomy.fate(code)
        assert fate is not None
        assert fate.parts == maybe
        assert read(taxonomy, code, keep_split=True) == ([fate.code], [])
    else:
        assert (rows, reasons) == ([";".join(maybe - {OTHER})], [])


def test_a_new_name_leaves_the_code_and_the_old_name_is_still_read() -> None:
    renamed = contract("b", "", happened("2021-03-01", "rename", "b", "b", old_names=["Förra namnet"]))
    assert read(renamed, "förra namnet", "Namn b", "c_b", "Förra namnet;c_b") == (["c_b"] * 4, [])


def test_a_split_code_is_refused_for_learning_and_kept_for_counting() -> None:
    reason = "orsaken Namn a delades 2021-03-01 i Namn y och Namn z; märk raden om"
    assert read(DIVIDED, "c_a", "c_b;Namn a", "c_y") == (["c_y"], [reason, reason])
    assert read(DIVIDED, "c_a", "c_b;Namn a", "c_y", keep_split=True) == (["c_a", "c_b;c_a", "c_y"], [])


def test_who_relabels_the_causes_need_not_touch_the_primary_one() -> None:
    table = Table(["text", "orsaker", "huvudorsak"], [["sak", "c_y;c_b", "c_a"], ["rad", "c_b;c_y", "c_y"]], [2, 3])
    cases = check_table(Path("a.csv"), table, DIVIDED, labelled=True)
    assert cases.fields["primary_cause"].tolist() == ["c_y", "c_y"]


def test_what_a_split_code_became_is_told_in_the_names_of_today() -> None:
    later = happened("2021-06-01", "rename", "z", "w")
    third = happened("2021-07-01", "split", "y", "uv")
    taxonomy = contract("buvw", "azy", SPLIT, later, third)
    wanted = "orsaken Namn a delades 2021-03-01 i Namn u, Namn v och Namn w; märk raden om"
    assert read(taxonomy, "c_a")[1] == [wanted]
    assert taxonomy.with_heirs(["c_a"]) == set(codes("ayzuvw"))


def test_a_split_that_was_undone_is_read_again() -> None:
    again = happened("2021-06-01", "merge", "yz", "w")
    assert read(contract("bw", "ayz", SPLIT, again), "c_a;c_b", "c_z;c_y") == (["c_w;c_b", "c_w"], [])


def test_part_of_a_cause_may_become_other() -> None:
    taxonomy = contract("by", "a", event("2021-03-01", "split", codes("a"), [*codes("y"), "other"]))
    assert read(taxonomy, "c_a")[1] == ["orsaken Namn a delades 2021-03-01 i Namn y och Övrigt; märk raden om"]


def test_training_refuses_the_rows_of_a_split_cause_and_writes_them_down(tmp_path: Path) -> None:
    rows = [f"nr {n} sak{n};{code}" for n, code in enumerate(["c_a", "c_y", "c_z", "c_b", ""] * 12)]
    path = tmp_path / "gamla.csv"
    path.write_text("\n".join(["klagomål;orsaker", *rows]), encoding="utf-8")
    data = read_training_data([path], DIVIDED, starter=False, settings=Settings())
    assert len(data.texts) == 48
    refused = pd.read_csv(tmp_path / "gamla.rejected-in-training.csv", sep=";", encoding="utf-8-sig")
    assert set(refused["rejected_reason"]) == {"orsaken Namn a delades 2021-03-01 i Namn y och Namn z; märk raden om"}


def test_an_audit_that_was_answered_before_a_change_is_read_after_it(tmp_path: Path) -> None:
    path = labelled(tmp_path / "mars.csv", [f"K-{n:02d}" for n in range(60)])
    book = audit(path, n=20, output=tmp_path / "g.xlsx", settings=Settings()).output
    fill(book, write_answers(["Väntetid"], ["Kampanjkritik"], ["Namnförväxling"]))
    source = load_taxonomy().source
    for code in ("wait_time", "campaign_backlash", "naming_confusion"):
        source = source.replace(f'[[causes]]\nid = "{code}"', f'[[retired]]\nid = "{code}"')
    source += "".join(cause(code) for code in ("phone", "case", "campaign"))
    source += event("2021-03-01", "split", ["wait_time"], ["phone", "case"])
    source += event("2021-03-01", "rename", ["campaign_backlash"], ["campaign"])
    source += event("2021-03-01", "retire", ["naming_confusion"], [])
    answers = read_audit(book, parse_taxonomy(source)).answers
    assert sorted(answers.values()) == [("campaign",), ("other",), ("wait_time",)]


def test_a_cause_that_is_gone_is_shown_by_its_name_and_an_unknown_one_as_it_stands() -> None:
    assert DIVIDED.names_sv("c_a;c_b;c_q") == "Namn a, Namn b, c_q"
    assert DIVIDED.names_sv("") == DIVIDED.names_sv(OTHER) == "Övrigt"
