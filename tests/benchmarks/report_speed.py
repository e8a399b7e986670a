"""How long, and how much memory, the breakdown of 100,000 labelled complaints takes.

    python tests/benchmarks/report_speed.py            # all in one month, then over 13 months
    python tests/benchmarks/report_speed.py --rows 20000 --profile report   # and where the time and memory go

The texts are real reviews of real length (where they are at hand; without them nothing is measured),
repeated with every third word taken from another review, so that no two are near-duplicates. `report` runs in a fresh
process, with purchases; beside it stands a plain pandas script that only counts: month by product by cause, and values.
The goal is under 20 s and 1 GB. Wall time depends on who else uses the machine; user CPU time less so.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peers import REVIEWS

PRODUCTS = (
    "Faktura",
    "Delbetalningskonto",
    "Kort",
    "Månadsfaktura",
    "Appen",
    "Automatisk betalning",
    "Engångskort",
    "",
)
CAUSES = (
    "",
    "wait_time",
    "invoice_before_delivery",
    "campaign_backlash",
    "naming_confusion",
    "cancelled_event_or_trip",
)
CHANNELS = ("Telefon", "Chatt", "E-post", "Webbformulär", "Facebook", "Konsumentverket")
COLUMNS = (
    *("ärende", "datum", "produkt", "kanal", "källa", "kund", "text", "causes", "primary_cause"),
    *(f"p_{cause}" for cause in CAUSES[1:]),
    *("evidence", "needs_review", "review_reason", "model_version", "taxonomy_version"),
)
MONTHS = [f"{2019 + (m + 2) // 12}-{(m + 2) % 12 + 1:02d}" for m in range(13)]  # 2019-03 to 2020-03
GOAL_SECONDS, GOAL_MB = 20, 1000

# Run by themselves, so that what they use is theirs alone. Each prints what it made.
_REPORT = """
import sys
from nollclassify.reporting import report
made = report(sys.argv[1], output=sys.argv[3], purchases=sys.argv[2])
print(len(made.table), len(made.pages))
"""
_PANDAS = """
import sys
import pandas as pd
cases = pd.read_csv(sys.argv[1], sep=";", dtype=str, keep_default_na=False, encoding="utf-8-sig")
cases["month"] = cases["datum"].str.slice(0, 7)
counts = pd.crosstab([cases["month"], cases["produkt"]], cases["primary_cause"])
pd.concat([cases[c].value_counts() for c in ("kanal", "källa", "causes")]).to_csv(sys.argv[3] + "-values.csv")
counts.to_csv(sys.argv[3] + "-counts.csv")
print(counts.size, 0)
"""
_TIMES = """
import cProfile, pstats, sys
from nollclassify.reporting import report
profile = cProfile.Profile()
profile.runcall(report, sys.argv[1], output=sys.argv[3], purchases=sys.argv[2])
profile.dump_stats(sys.argv[4])
pstats.Stats(profile).sort_stats("cumulative").print_stats("nollclassify|spacy|sklearn|matplotlib|scipy", 45)
"""
_MEMORY = """
import resource, sys, threading, time
from collections import Counter
from nollclassify.reporting import report
seen, main, over = {}, threading.main_thread().ident, threading.Event()
def watch():
    while not over.wait(0.02):
        with open("/proc/self/statm") as file:
            now = int(file.read().split()[1]) * resource.getpagesize() // 10**6
        frame, where = sys._current_frames()[main], "?"
        while frame:
            if "/nollclassify/" in frame.f_code.co_filename:
                where = frame.f_code.co_filename.rpartition("/")[2] + ":" + frame.f_code.co_name
                break
            frame = frame.f_back
        seen[where] = max(seen.get(where, 0), now)
threading.Thread(target=watch, daemon=True).start()
report(sys.argv[1], output=sys.argv[3], purchases=sys.argv[2])
over.set()
for where, most in sorted(seen.items(), key=lambda pair: -pair[1])[:25]:
    print(f"{most:6d} MB resident at most in {where}")
"""


def rows(n: int, months: list[str], seed: int = 0) -> list[tuple[str, ...]]:
    """`n` labelled rows spread evenly over the months."""
    draw = random.Random(seed)
    texts = [json.loads(line)["text"] for line in REVIEWS.read_text(encoding="utf-8").split("\n") if line]
    made = []
    for i in range(n):
        text = texts[i % len(texts)]
        if i >= len(texts):
            words, others = text.split(), draw.choice(texts).split() or ["det"]
            words[::3] = [others[at % len(others)] for at in range(0, len(words), 3)]
            text = " ".join(words)
        month = months[i % len(months)]
        cause = draw.choices(CAUSES, (52, 18, 14, 6, 5, 5))[0]
        causes = ";".join(dict.fromkeys([cause, draw.choice(CAUSES[1:])])) if cause and draw.random() < 0.15 else cause
        some = text.split()
        evidence = "; ".join(f'{c}: "{" ".join(some[:2])}", "{" ".join(some[2:5])}"' for c in causes.split(";") if c)
        made.append(
            (
                *(f"K-{i:07d}", f"{month}-{draw.randint(1, 28):02d}"),
                draw.choices(PRODUCTS, (40, 14, 12, 10, 9, 6, 5, 4))[0],
                draw.choices(CHANNELS, (35, 25, 18, 12, 8, 2))[0],
                draw.choice(("Kundtjänst", "")),
                str(draw.randint(10**6, 10**7)) if draw.random() < 0.4 else "",
                *(text, causes, cause),
                *(f"{draw.random() ** 4:.4f}" for _ in CAUSES[1:]),
                *(evidence, "true" if draw.random() < 0.2 else "false", "", "bench", "2026.1"),
            )
        )
    return made


def write(folder: Path, name: str, n: int, months: list[str]) -> tuple[Path, Path]:
    """The labelled file and its table of purchases."""
    import csv

    labelled, purchases = folder / f"{name}.labelled.csv", folder / f"{name}.purchases.csv"
    with labelled.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(COLUMNS)
        writer.writerows(rows(n, months))
    bought = [f"{m};{p};{(k + 1) * 137_000}" for m in months for k, p in enumerate(PRODUCTS) if p]
    purchases.write_text("\n".join(["månad;produkt;köp", *bought]), encoding="utf-8")
    return labelled, purchases


def run(script: str, *arguments: Path) -> tuple[float, float, float, float, str]:
    """Wall, user and system seconds, peak memory in MB, and what was printed, of a script in a process of its own."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        # This process is a small one: a child's peak is never below that of the process that started it.
        child = subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], stdout=out, env=_environment())
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        out.seek(0)
        said = out.read().decode()
    if child.returncode:
        raise SystemExit(f"a script failed with {child.returncode}: {script}")
    return wall, used.ru_utime, used.ru_stime, used.ru_maxrss * 1024 / 1e6, said


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--profile", type=Path, help="folder for profiles; prints them too")
    parser.add_argument("--keep", type=Path, help="folder for the files that are made, else a temporary one")
    parser.add_argument("--make", nargs=2, metavar=("FOLDER", "NAME"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not REVIEWS.is_file():
        print(f"{REVIEWS} is not here, and without real texts nothing is measured.")
        return
    cases = {"one-month": MONTHS[-1:], "13-months": MONTHS}
    if options.make:
        folder, name = options.make
        write(Path(folder), name, options.rows, cases[name])
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        print(f"{options.rows:,} rows; goal under {GOAL_SECONDS} s and {GOAL_MB} MB; load {os.getloadavg()[0]:.1f}")
        print(f"{'':30}{'wall s':>9}{'user s':>9}{'system s':>9}{'peak MB':>9}")
        for name in cases:
            make = [sys.executable, __file__, "--rows", str(options.rows), "--make", str(folder), name]
            subprocess.run(make, check=True)
            files = (folder / f"{name}.labelled.csv", folder / f"{name}.purchases.csv", folder / name)
            for what, script in (("report", _REPORT), ("plain pandas, counts only", _PANDAS)):
                wall, user, system, memory, _ = run(script, *files)
                held = "" if what != "report" else " met" if wall < GOAL_SECONDS and memory < GOAL_MB else " NOT met"
                print(f"{name + ', ' + what:30}{wall:9.1f}{user:9.1f}{system:9.1f}{memory:9.0f}{held}", flush=True)
            if options.profile:
                options.profile.mkdir(parents=True, exist_ok=True)
                print(run(_TIMES, *files, options.profile / f"{name}.prof")[4])
                print(run(_MEMORY, *files)[4], flush=True)


if __name__ == "__main__":
    main()
