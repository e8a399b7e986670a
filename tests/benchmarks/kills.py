"""Kills what writes, hundreds of times at random moments, and looks each time whether everything is whole.

    python tests/benchmarks/kills.py --times 200

Labelling, recording a training, promoting, reporting and drawing an audit are each started anew and killed (SIGKILL)
after a random part, rather a long one, of the time that they take: they write last. Then a process of its own looks at
what is on disk and in the registry. A labelling goes on where the one before was killed, and what it ends with must be,
byte for byte, what one makes that nobody killed. POSIX only.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow.pyfunc  # noqa: E402, F401  (once, so that no killed process spends its life on imports)
import sqlalchemy.dialects.sqlite  # noqa: E402, F401

from nollclassify import labelling  # noqa: E402
from nollclassify.atomic import strays  # noqa: E402
from nollclassify.auditing import audit  # noqa: E402
from nollclassify.model_store import load_model, save_model  # noqa: E402
from nollclassify.promotion import promote, settle_champion  # noqa: E402
from nollclassify.reporting import report  # noqa: E402
from nollclassify.tracking import CHAMPION, Tracking  # noqa: E402
from nollclassify.training import train  # noqa: E402
from tests.audits import labelled  # noqa: E402
from tests.conftest import QUICK, SMALL  # noqa: E402

MODELS, REPORT, AUDITS, LABELS = Path("models"), Path("rapport"), Path("granskning"), Path("märkt")
labelling._ROWS = 300  # ten blocks, so that other processes label them and parts are kept


@dataclass(frozen=True)
class Deed:
    """What is killed: an action, given the number of the try; what must hold after a kill; and where it writes."""

    name: str
    act: Callable[[int], object]
    check: Callable[[], None]
    folder: Path


def record(_: int) -> None:
    Tracking(SMALL).record(load_model(MODELS / "challenger"), {"a": 1}, {"b": 2.0}, {"c.json": {"d": 3}})


def check_store() -> None:
    tracking = Tracking(SMALL)
    runs = tracking.client.search_runs(["1"])
    assert "RUNNING" not in {run.info.status for run in runs}
    numbers = sorted(int(v.version) for v in tracking.client.search_model_versions("name='small'"))
    assert numbers == list(range(1, len(numbers) + 1)), numbers
    assert tracking.registered(str(numbers[-1])).stored.version


def promote_in_turn(n: int) -> None:
    promote(1 + n % 2, reason="prov", force=True, settings=SMALL)


def check_champion() -> None:
    place = Path(SMALL.champion)
    assert load_model(place).version  # as `label` does, without the registry
    tracking = Tracking(SMALL)
    with tracking.alone():
        settle_champion(tracking)
    assert load_model(place).version == tracking.registered(CHAMPION).stored.version


def check_report() -> None:
    whole = [Path(f"{REPORT}-{n}") for n in (0, 1)]
    for path in REPORT.iterdir():
        if not path.name.startswith("."):
            assert path.read_bytes() in [(folder / path.name).read_bytes() for folder in whole], path


def check_audit() -> None:
    with zipfile.ZipFile(AUDITS / "bok.xlsx") as book:
        assert book.testzip() is None


def draw(n: int) -> None:
    audit(f"{n % 2}.csv", n=20, seed=n, output=AUDITS / "bok.xlsx", force=True, settings=SMALL)


def label_many(_: int) -> None:
    # Not the champion, which the promotions change.
    labelling.label("many.csv", output=LABELS / "ut.csv", model=MODELS / "challenger", force=True, settings=SMALL)


def check_labels() -> None:
    for name in ("ut.csv", "ut.rejected.csv"):
        assert not (LABELS / name).exists() or (LABELS / name).read_bytes() == Path(f"whole-{name}").read_bytes()


DEEDS = (
    Deed("label", label_many, check_labels, LABELS),
    Deed("recording", record, check_store, MODELS),
    Deed("promote", promote_in_turn, check_champion, MODELS),
    Deed("report", lambda n: report(f"{n % 2}.csv", output=REPORT, settings=SMALL), check_report, REPORT),
    Deed("audit", draw, check_audit, AUDITS),
)


def forked(act: Callable[[], object]) -> int:
    """Start a process that does something, quietly; its number. It ends with 0, or with 1 and its traceback."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        said, quiet = os.fdopen(os.dup(2), "w"), os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        act()
        code = 0
    except BaseException:
        traceback.print_exc(file=said)
        said.flush()
    finally:
        os._exit(code)


def ends_well(act: Callable[[], object]) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(forked(act), 0)[1]) == 0


def prepare() -> None:
    """In a workplace with one version: register another one, and make what is killed its first results."""
    stored = load_model(MODELS / "challenger")
    other = save_model(MODELS / "other", stored.model, stored.taxonomy, stored.held_out.select(range(150)), {})
    assert Tracking(SMALL).record(other, {}, {}, {})[1] == "2"
    for n in (0, 1):
        labelled(Path(f"{n}.csv"), [f"K-{i}" for i in range(40 + 4 * n)], produkt=["Faktura"] * (40 + 4 * n))
        report(f"{n}.csv", output=f"{REPORT}-{n}", settings=SMALL)
    rows = [
        f"{n};{'' if n % 50 == 7 else f'jag har väntat {n} dagar på svar och fakturan kom i går'}" for n in range(3_000)
    ]
    Path("many.csv").write_text("\n".join(["id;text", *rows]), encoding="utf-8")
    for deed in DEEDS:
        deed.act(1)
    for name in ("ut.csv", "ut.rejected.csv"):
        shutil.copy(LABELS / name, f"whole-{name}")


def seconds(deed: Deed) -> float:
    began = time.monotonic()
    assert ends_well(lambda: deed.act(0))
    return time.monotonic() - began


def kill(deed: Deed, times: int, chance: random.Random) -> tuple[int, int, int, int]:
    """How many were killed in the midst of it, left something behind, left something broken, and what is left now."""
    took = min(seconds(deed) for _ in range(3))
    killed = left = broken = 0
    for n in range(times):
        pid = forked(lambda n=n: deed.act(n))  # type: ignore[misc]
        time.sleep(chance.triangular(0, took, took))
        os.kill(pid, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        left += any(strays(deed.folder))
        broken += not ends_well(deed.check)
    broken += not ends_well(lambda: deed.act(times)) or not ends_well(deed.check)
    return killed, left, broken, len(list(strays(deed.folder)))


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--times", type=int, default=100, help="kills of each kind")
    options.add_argument("--place", type=Path, help="a trained workplace of the tests, to be copied")
    options.add_argument("--only", nargs="*", help="label, recording, promote, report, audit; by default all")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    all_broken = 0
    with tempfile.TemporaryDirectory() as folder:
        if given.place:
            shutil.copytree(given.place, folder, dirs_exist_ok=True)
        os.chdir(folder)
        if not given.place and not ends_well(lambda: train(settings=SMALL, candidates=QUICK)):
            return 1
        if not ends_well(prepare):
            return 1
        print(f"{'what':<18}{'tries':>8}{'killed':>8}{'left pieces':>14}{'broken':>8}{'pieces in the end':>20}")
        for deed in (d for d in DEEDS if not given.only or d.name in given.only):
            killed, left, broken, now = kill(deed, given.times, random.Random(given.seed))
            print(f"{deed.name:<18}{given.times:>8}{killed:>8}{left:>14}{broken:>8}{now:>20}", flush=True)
            all_broken += broken + now
        os.chdir(ROOT)
    return int(all_broken > 0)


if __name__ == "__main__":
    sys.exit(main())
