"""Thousands of planted numbers, addresses and names in hundreds of spellings: none is left in anything that comes out.

Numbers that are nobody's stay: an order number that happens to have the form and the check digit of a personal number
cannot be told from one, so a few in a thousand may be masked.
"""

from __future__ import annotations

import io
import re
import sqlite3
import sys
import time
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nollclassify import cli
from nollclassify.model import prepare
from nollclassify.privacy import mask
from nollclassify.training import train
from tests.conftest import QUICK, SMALL
from tests.harmless import harmless
from tests.planted import INVISIBLE, Planted, digits_of, is_left, plant

# Every planted name and address holds one of these.
MARKS = re.compile("qvarnlund|zetterqvast|wrangelhjelm|xanderby|zpost|qxmejl|qbrev")
_NUMBER = re.compile(r"\d+(?:(?:[\s/()+\-‐‑‒–—−.]{1,5}|,\s)\d+)*")


@pytest.fixture(scope="module")
def planted() -> list[Planted]:
    return plant(n_each=5)


# --- the masks ---------------------------------------------------------------------------------------------------


def test_two_thousand_are_planted_in_more_than_twenty_spellings_of_every_kind(planted: list[Planted]) -> None:
    assert len(planted) >= 2_000
    spellings = Counter(kind for kind, _ in {(item.kind, item.spelling) for item in planted})
    assert min(spellings.values()) >= 12
    assert sum(spellings.values()) >= 400
    assert len({item.carrier for item in planted}) >= 50


@pytest.mark.parametrize("read", [mask, prepare], ids=["mask", "prepare"])
def test_no_planted_item_can_be_read_and_no_number_beside_it_is_lost(read, planted: list[Planted]) -> None:
    left = Counter(item.spelling for item in planted if is_left(item, read(item.text)))
    assert not left


def test_all_items_of_one_text_are_masked(planted: list[Planted]) -> None:
    for start in range(0, len(planted), 10):
        some = planted[start : start + 10]
        masked = mask("\n".join(item.text for item in some))
        assert not found(masked, secrets(some)), [item.spelling for item in some]


def test_what_is_not_masked_is_found() -> None:
    """The search itself: in any spelling, in archives, workbooks, arrays and databases."""
    some = plant(n_each=1, seed=3)
    for item in some:
        assert found(item.text, secrets([item])), item.spelling


def test_numbers_that_are_nobodys_are_left_alone() -> None:
    texts = harmless(n_each=30)
    assert len(texts) >= 1_000
    masked = Counter(kind for kind, text in texts if mask(text) != text)
    assert masked.total() / len(texts) < 0.005, masked
    assert not [kind for kind in ("amount", "date", "time", "place") if masked[kind]]


DULL = """1|0|4|46|07|0 7 |1 1 1 |1-|se45|+46 |(0|4111 1111 |4111-1111/|811218|8112182385|1 249 kr |a@|a@a.|a.a
|a punkt a |a . se |snabel-a |konto 1 |konto och i |clearing 1234 |pg 1, |Mvh A |mvh, a |/A |.//
|A. |12 34 56-|1234 123 123 |\u200b1|１"""


@pytest.mark.parametrize("piece", DULL.replace("\n", "").split("|"))
def test_masking_takes_a_time_in_proportion_to_the_text(piece: str) -> None:
    mask(piece)  # so that the patterns are there
    start = time.process_time()
    mask(piece * (32_000 // len(piece)) + "x")
    assert time.process_time() - start < 2


# --- what comes out ----------------------------------------------------------------------------------------------


def secrets(items: list[Planted]) -> set[str]:
    """The planted numbers, in digits alone; of an account in two parts the second."""
    written = [seen(item.written) for item in items if item.kind not in ("e-post", "namn")]
    return {digits_of(_NUMBER.findall(number)[-1]) for number in written}


def seen(text: str) -> str:
    """The text as it is seen: wide digits are digits, and what is invisible is not there."""
    text = unicodedata.normalize("NFKC", text)
    return "".join(sign for sign in text if sign not in INVISIBLE) if set(text) & set(INVISIBLE) else text


def found(text: str, numbers: set[str]) -> set[str]:
    """What can be read of planted names and addresses, and which of the numbers, whatever stands between digits."""
    text = seen(text)
    result = set(MARKS.findall(text.casefold().replace(" ", "")))
    longest = max(map(len, numbers), default=0)
    for match in _NUMBER.finditer(text):
        groups = re.findall(r"\d+", match[0])
        for start in range(len(groups)):
            whole = ""
            for group in groups[start:]:
                whole += group
                if len(whole) > longest:
                    break
                if whole in numbers:
                    result.add(whole)
    return result


def contents(path: Path) -> Iterator[tuple[str, str]]:
    """Everything that can be read in a file: of an archive its members, of a database all rows."""
    content = path.read_bytes()
    if content.startswith(b"SQLite format 3"):
        with sqlite3.connect(path) as database:
            yield path.name, "\n".join(database.iterdump())
    yield from _unpacked(path.name, content)


def _unpacked(name: str, content: bytes) -> Iterator[tuple[str, str]]:
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from _unpacked(f"{name}/{member}", archive.read(member))
    elif name.endswith(".npy"):
        array = np.load(io.BytesIO(content), allow_pickle=False)
        yield name, "\n".join(map(str, array.ravel())) if array.dtype.kind in "US" else ""
    else:
        yield name, content.decode("utf-8", "replace")


@pytest.fixture(scope="module")
def corpus(starter: pd.DataFrame, planted: list[Planted]) -> pd.DataFrame:
    """Labelled complaints of two months with a planted text or more in each."""
    some = starter[starter["author"].isin(sorted(starter["author"].unique())[:3])].iloc[::2]
    texts = some["text"].tolist()
    for i, item in enumerate(planted):
        texts[i % len(texts)] += "\n" + item.text
    ids = [f"K-{n}" for n in range(len(some))]
    months = ["2020-02-14" if n % 2 else "2020-03-14" for n in range(len(some))]
    return some.assign(text=texts, case_id=ids, date=months, product="Faktura")


def test_no_output_holds_anything_planted(
    corpus: pd.DataFrame,
    planted: list[Planted],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Trained on, labelled, audited and reported; only the column of texts that came in may hold them."""
    monkeypatch.chdir(tmp_path)
    caplog.set_level("INFO")
    corpus.drop(columns=["date", "product"]).to_csv("training.csv", index=False)
    corpus[["case_id", "date", "product", "channel", "text"]].to_csv("month.csv", index=False)
    train("training.csv", starter=False, output="model", settings=SMALL, candidates=QUICK, progress=print)
    call(monkeypatch, "label", "month.csv", "--model", "model")
    call(monkeypatch, "audit", "month.labelled.csv", "--n", "300", "--output", "audit.xlsx")
    call(monkeypatch, "report", "month.labelled.csv", "--output", "report")

    numbers = secrets(planted)
    told = capfd.readouterr()
    assert "klagomål märkta" in told.out
    for said in (told.out, told.err, caplog.text):
        assert not found(said, numbers)

    labelled = pd.read_csv("month.labelled.csv", dtype=str, keep_default_na=False)
    assert found("\n;\n".join(labelled["text"]), numbers)
    ours = labelled.drop(columns="text")
    assert not found("\n;\n".join(ours.to_numpy().ravel()), numbers)

    paths = {path for path in Path().rglob("*") if path.is_file()} - {
        *map(Path, ("training.csv", "month.csv", "month.labelled.csv"))
    }
    assert {".db", ".xlsx", ".npz", ".html", ".csv", ".json"} <= {path.suffix for path in paths}
    left = {name: found(text, numbers) for path in sorted(paths) for name, text in contents(path)}
    assert not {name: some for name, some in left.items() if some}


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """Run the command line in this process."""
    monkeypatch.setattr(sys, "argv", ["nollclassify", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
