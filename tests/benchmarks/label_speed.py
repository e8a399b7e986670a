"""How fast a file is labelled, against plain scripts over the same file in the same run.

    python tests/benchmarks/label_speed.py                     # 100,000 rows, one complaint, peers
    python tests/benchmarks/label_speed.py --rows 1000000 --only ours     # memory on a larger file

The texts are those of `report_speed.py`: real reviews, of which every third word is taken from another one. Ours is
`nollclassify label`, start included: CSV in, labelled CSV out, with masks, probabilities, thresholds, evidence and
reasons for review. The peers read the same CSV, predict probabilities and write a CSV with them, nothing else:

- *scikit-learn*: `TfidfVectorizer` of the words and pairs and of the n-grams inside words, with our vocabulary and
  coefficients, in two processes; its probabilities must be those of our linear reading to 1e-6;
- *fastText* and spaCy's *textcat_multilabel* (bag of words), trained on the starter corpus.

Wall time depends on who else uses the machine: the ratio to a peer of the same run says more.
"""

from __future__ import annotations

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from peers import (
    CAUSES,
    REVIEWS,
    fasttext_model,
    fasttext_probabilities,
    spacy_language,
    spacy_model,
    spacy_probabilities,
)
from report_speed import rows

from nollclassify.case_writing import write_table
from nollclassify.cases import read_case_blocks
from nollclassify.evaluation import indicator
from nollclassify.model import prepare
from nollclassify.model_store import load_model
from nollclassify.swedish import words
from nollclassify.taxonomy import load_taxonomy
from nollclassify.text_labels import label_texts
from nollclassify.training import train
from nollclassify.training_data import read_starter
from nollclassify.vocabulary import Vocabulary, grams_of

HERE = Path(__file__).parent
GOAL_SECONDS, GOAL_MB, GOAL_ONE, GOAL_RATIO = 20, 1000, 1.5, 5


def write(path: Path, n: int) -> None:
    import csv

    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["ärende", "datum", "produkt", "kanal", "klagomål"])
        for start in range(0, n, 100_000):
            for row in rows(min(100_000, n - start), ["2020-03"], seed=start):
                writer.writerow([f"{start}-{row[0]}", *row[1:4], row[6]])


def run(*command: str) -> tuple[float, float, float]:
    """Wall and CPU seconds of a command with all its processes, and the most memory in MB that these had together."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    most, cpu, over = [0.0], {process.pid: 0.0}, threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            now = used(process.pid)
            cpu.update({pid: seconds for pid, (_, seconds) in now.items()})
            most[0] = max(most[0], sum(memory for memory, _ in now.values()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    said = process.communicate()[1]
    wall = time.monotonic() - started
    over.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(said.decode())
    return wall, sum(cpu.values()), most[0]


def used(pid: int) -> dict[int, tuple[float, float]]:
    """MB and CPU seconds of a process and of all that it started; pages that they share are counted once each."""
    at = Path(f"/proc/{pid}")
    try:
        memory = int((at / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        ticks = (at / "stat").read_text().rpartition(")")[2].split()[11:13]
        children = (at / "task" / str(pid) / "children").read_text().split()
    except (OSError, IndexError):
        return {}
    mine = {pid: (memory, sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"))}
    return {key: value for child in children for key, value in used(int(child)).items()} | mine


# --- peers, each in a process of its own --------------------------------------------------------------------------


def script(name: str, source: str, target: str, model: str) -> None:
    """What a peer does, from file to file."""
    table = pd.read_csv(source, sep=";", dtype=str, keep_default_na=False, encoding="utf-8-sig")
    texts = table["klagomål"].tolist()
    with Path(model).open("rb") as file:
        state = pickle.load(file)
    peers = {"scikit-learn": scikit_learn, "fasttext": lambda t, m: fasttext_probabilities(m, t), "spacy": spacy}
    probabilities = peers[name](texts, state)
    for k, cause in enumerate(CAUSES):
        table[cause] = probabilities[:, k]
    table.to_csv(target, sep=";", index=False)


def scikit_learn(texts: list[str], state: tuple[Vocabulary, np.ndarray, np.ndarray]) -> np.ndarray:
    from joblib import Parallel, delayed

    halves = [texts[: len(texts) // 2], texts[len(texts) // 2 :]]
    return np.vstack(Parallel(n_jobs=2)(delayed(tokenise_plain)(half, *state) for half in halves))


def tokenise_plain(texts: list[str], *state: Any) -> np.ndarray:
    return plain([words(prepare(text)) for text in texts], *state)


def plain(tokenised: list[list[str]], v: Vocabulary, coefficients: np.ndarray, intercepts: np.ndarray) -> np.ndarray:
    from itertools import pairwise

    from scipy.sparse import hstack
    from scipy.special import expit
    from sklearn.feature_extraction.text import TfidfVectorizer

    def word_and_pairs(found: list[str]) -> list[str]:
        return [*found, *(f"{a} {b}" for a, b in pairwise(found))]

    def grams(found: list[str]) -> list[str]:
        return [gram for word in found for gram in grams_of(word, v.gram_sizes)]

    blocks = []
    singles = [*v.words, *(f"{v.words[a]} {v.words[b]}" for a, b in v.pairs)]
    n = len(singles)
    for analyzer, names, idf in ((word_and_pairs, singles, v.idf[:n]), (grams, v.grams, v.idf[n:])):
        index = {name: i for i, name in enumerate(names)}
        vectorizer = TfidfVectorizer(analyzer=analyzer, sublinear_tf=True, vocabulary=index)
        vectorizer.idf_ = idf.astype(float)
        blocks.append(vectorizer.transform(tokenised))
    return np.asarray(expit(hstack(blocks).tocsr() @ coefficients.T + intercepts))


def spacy(texts: list[str], content: bytes) -> np.ndarray:
    return spacy_probabilities(spacy_language().from_bytes(content), texts)


# --- the run -----------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--model", type=Path, default=Path("models/champion"))
    parser.add_argument("--only", choices=["ours", "scikit-learn"], help="leave the other peers out")
    parser.add_argument("--script", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.script:
        script(*options.script)
        return
    if not REVIEWS.is_file():
        print(f"{REVIEWS} is not here, and without real texts nothing is measured.")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = options.model if options.model.is_dir() else train(output=folder / "model", register=False).directory
        write(folder / "cases.csv", options.rows)
        print(f"{options.rows:,} rows; goals {GOAL_SECONDS} s and {GOAL_MB} MB; load {os.getloadavg()[0]:.1f}")
        print(f"{'':24}{'wall s':>8}{'CPU s':>8}{'rows/s':>9}{'MB in all':>11}")
        ours = report("nollclassify label", options.rows, *ours_command(folder, model))
        if not options.only:
            (folder / "one.csv").write_text("text\nJag har väntat i två timmar och ingen svarar\n", encoding="utf-8")
            times = [run(*ours_command(folder, model, "one"))[0] for _ in range(5)]
            shares(folder, model)
            print(f"one complaint from the shell: {min(times):.2f} to {max(times):.2f} s, goal {GOAL_ONE} s")
        for name, state in peers(model, options.only):
            with (folder / name).open("wb") as file:
                pickle.dump(state, file)
            files = (folder / "cases.csv", folder / f"{name}.csv", folder / name)
            theirs = report(name, options.rows, sys.executable, __file__, "--script", name, *map(str, files))
            goal = f", goal {GOAL_RATIO}" if name == "scikit-learn" else ""
            wall, cpu = theirs[0] / ours[0], theirs[1] / ours[1]
            print(f"  against ours: {wall:.1f} of the wall time, {cpu:.1f} of the CPU{goal}")
            if name == "scikit-learn":
                compare(folder, model)


def shares(folder: Path, directory: Path, blocks: int = 24, size: int = 2_500) -> None:
    """Where the CPU goes from file to file, in one process; the first eight blocks only fill the caches.

    Every other block is labelled as a whole, the ones between in parts: what the parts lack is evidence and reasons.
    """
    stored, clock = load_model(directory), time.process_time
    took: Counter[str] = Counter()

    def timed(name: str, act: Callable[[], Any]) -> Any:
        started = clock()
        result = act()
        took[name] += clock() - started
        return result

    read = read_case_blocks(folder / "cases.csv", stored.taxonomy, size)
    for number in range(blocks):
        cases = timed("reading the file", lambda: next(read))
        if number % 2:
            prepared = timed("repairing and masking", lambda c=cases: [prepare(text) for text in c.texts])
            tokenised = timed("words", lambda p=prepared: [words(text) for text in p])
            scores = timed("features and scores", lambda t=tokenised: stored.model.read(t).scores)
            timed("second reading", lambda s=scores: stored.model.calibrated(s))
        else:
            labels = timed("all", lambda c=cases: label_texts(c.texts, stored))
            frame = pd.concat([cases.original, labels], axis=1)
            timed("writing the file", lambda f=frame: write_table(f, folder / "shares.csv"))
        if number == 7:
            took.clear()
    took["reading the file"] /= 2  # of twice as many blocks as the others
    parts = ("repairing and masking", "words", "features and scores", "second reading")
    took["evidence, reasons, columns"] = took.pop("all") - sum(took[name] for name in parts)
    said = "; ".join(f"{name} {seconds / took.total():.0%}" for name, seconds in took.items())
    print(f"of the CPU of {(blocks - 8) * size} rows in one process: {said}")


def ours_command(folder: Path, model: Path, name: str = "cases") -> list[str]:
    command = str(Path(sys.executable).with_name("nollclassify"))
    return [command, "label", str(folder / f"{name}.csv"), "--model", str(model), "--force"]


def report(name: str, n: int, *command: str) -> tuple[float, float]:
    wall, cpu, memory = run(*command)
    print(f"{name:24}{wall:8.1f}{cpu:8.1f}{n / wall:9.0f}{memory:11.0f}", flush=True)
    return wall, cpu


def compare(folder: Path, directory: Path, n: int = 10_000) -> None:
    """scikit-learn's features and probabilities against our linear reading of the same words, one process each."""
    model = load_model(directory).model
    texts = pd.read_csv(folder / "scikit-learn.csv", sep=";", nrows=n, keep_default_na=False)["klagomål"]
    tokenised = [words(prepare(text)) for text in texts]
    started = time.process_time()
    theirs = plain(tokenised, model.vocabulary, model.coefficients, model.intercepts)
    between = time.process_time()
    ours = 1 / (1 + np.exp(-model.read(tokenised).whole))
    ratio = (between - started) / (time.process_time() - between)
    apart = np.abs(ours - theirs).max()
    print(f"  linear reading of {len(texts)} tokenised texts: {ratio:.1f} of our CPU; largest difference {apart:.1e}")


def peers(directory: Path, only: str | None) -> list[tuple[str, object]]:
    if only == "ours":
        return []
    model = load_model(directory).model
    found: list[tuple[str, object]] = [("scikit-learn", (model.vocabulary, model.coefficients, model.intercepts))]
    if not only:
        corpus = read_starter(load_taxonomy()).fields.iloc[::4]
        texts, Y = corpus["text"].tolist(), indicator(corpus["causes"].tolist(), CAUSES)
        found += [("fasttext", fasttext_model(texts, Y)), ("spacy", spacy_model(texts, Y).to_bytes())]
    return found


if __name__ == "__main__":
    main()
