"""The only room that knows a model directory: save, verify, load.

A model directory holds plain arrays (`arrays.npz`, `held_out.npz`), JSON and TOML. Why not joblib or skops, which save
the objects themselves: our models are a vocabulary and a few matrices, and

- joblib (10 MB, loads in 0.4 to 1.3 s) runs whatever code it finds; scanners passed a file that ran a command.
- skops, as MLflow stores it (137 MB, 2.3 s), needs a list of trusted types, and took 345 s and 200 MB to save a
  vocabulary of 190,000 words that `max_features` had cut.
- plain arrays (6 MB, 0.16 s) are saved byte for byte the same each time, and hold no code that loading could run.

Nothing here is trusted all the same: every file has a largest size and a digest, every array a shape, kind and range.
The digests tell of damage, not of forgery: who can write the directory can also make them anew, and may thereby give
the model other numbers, but never code to run or more memory than the limits allow.

`FORMAT` is the number of the layout. To change the layout: raise it, and either teach `load_model` to read the old
one or let it refuse with the sentence that is there.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from nollclassify.array_files import Wanted, check, different_words, read_arrays, read_names, read_plain
from nollclassify.atomic import reason
from nollclassify.errors import ModelError, OlderModelError, SettingsError
from nollclassify.folders import replacing_folder, settle, until_steady
from nollclassify.gate import HeldOut
from nollclassify.model import PRECISIONS, CauseModel
from nollclassify.taxonomy import Taxonomy, parse_taxonomy
from nollclassify.trees import Trees
from nollclassify.vocabulary import Vocabulary
from nollclassify.word_classes import word_classes

FORMAT = 4
KIND = "nollclassify-model"
MANIFEST = "manifest.json"
_FILES = ("arrays.npz", "held_out.npz", "taxonomy.toml", "vocabulary.json")
_MODEL_ARRAYS = (
    "coefficients",
    "intercepts",
    "passage_norms",
    "calibration",
    "thresholds",
    "strict_thresholds",
    "certain",
    "exclusive",
    "read_twice",
)
_TREE_ARRAYS = ("features", "limits", "leaves", "base")
_LIBRARIES = ("nollclassify", "numpy", "scipy", "scikit-learn", "spacy", "pandas")
_HELD_OUT_ARRAYS = ("digests", "truth", "decided", "probabilities", "group", "behaviours", "passed")
# The largest files that are opened, in bytes; the starter corpus's model has 5.3 MB, 660 kB, 8 kB, 700 kB and 6 kB.
_SIZE_LIMITS = {
    "arrays.npz": 200_000_000,
    "held_out.npz": 100_000_000,
    "taxonomy.toml": 1_000_000,
    "vocabulary.json": 30_000_000,
    MANIFEST: 1_000_000,
}
_MAX_TREES = 1_000
_MAX_CLASSES = 1_000
_MAX_WORD = 100_000
# No weight comes near it, and no product of several of them overflows.
_LARGEST = 1e9
_VERSION = re.compile(r"[\w.+-]{1,100}", re.ASCII)
# What reading the files of a damaged or hostile directory raises.
_UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    MemoryError,
    ArithmeticError,
    RecursionError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    SettingsError,
)


@dataclass(frozen=True)
class StoredModel:
    """A model with everything that is kept beside it.

    Attributes:
        model: the arrays that predict.
        taxonomy: the causes as they were when the model was trained.
        held_out: predictions on unseen texts, for comparing models.
        manifest: what `manifest.json` says: version, training data, scores, libraries, digests of the files.
    """

    model: CauseModel
    taxonomy: Taxonomy
    held_out: HeldOut
    manifest: dict[str, Any]

    @property
    def version(self) -> str:
        return str(self.manifest["model_version"])


def save_model(
    directory: Path, model: CauseModel, taxonomy: Taxonomy, held_out: HeldOut, details: dict[str, Any]
) -> StoredModel:
    """Write a model directory beside `directory` and then put it in its place; an older one there is replaced.

    Args:
        directory: where the model will lie.
        model, taxonomy, held_out: what is saved.
        details: further entries of the manifest (training data, scores, candidate); plain JSON values, no texts.

    Raises:
        ModelError: the place cannot be written to.
    """
    with _replacing(directory) as new:
        _write_parts(new, model, taxonomy, held_out)
        manifest = _manifest(new, model, taxonomy, details)
        (new / MANIFEST).write_text(_json(manifest), encoding="utf-8")
    return StoredModel(model, taxonomy, held_out, manifest)


def write_model(directory: Path, stored: StoredModel) -> None:
    """Write a model once more, with the manifest that it has, to a new directory that nobody else knows."""
    directory.mkdir()
    _write_parts(directory, stored.model, stored.taxonomy, stored.held_out)
    (directory / MANIFEST).write_text(_json(stored.manifest), encoding="utf-8")


@contextmanager
def copying_model(source: Path, target: Path) -> Iterator[None]:
    """Copy a model directory beside `target` and verify it; when the block ends well, the copy takes `target`'s place.

    So that what the block does, and what can go wrong with the disk, come in the right order.
    """
    load_model(source)
    with _replacing(target) as new:
        for name in (*_FILES, MANIFEST):
            shutil.copyfile(source / name, new / name)
        load_model(new)
        yield


def copy_model(source: Path, target: Path) -> None:
    """Verify a model directory and put a copy in `target`'s place."""
    with copying_model(source, target):
        pass


def check_place(directory: Path) -> None:
    """Refuse a place that holds something else than a model; ModelError."""
    if directory.exists() and (not directory.is_dir() or _holds_something_else(directory)):
        raise ModelError(f"{directory}: finns redan och är ingen modell; välj en tom eller ny mapp.")


def _holds_something_else(directory: Path) -> bool:
    return any(directory.iterdir()) and not (directory / MANIFEST).exists()


@contextmanager
def _replacing(directory: Path) -> Iterator[Path]:
    """Give a new directory; when the block ends well it takes `directory`'s place. ModelError."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        settle(directory)
        check_place(directory)
        with replacing_folder(directory) as new:
            yield new
    except OSError as error:
        raise ModelError(f"{directory}: modellen kan inte sparas ({reason(error)}); välj en annan mapp.") from None


def _write_parts(directory: Path, model: CauseModel, taxonomy: Taxonomy, held_out: HeldOut) -> None:
    v = model.vocabulary
    _write_arrays(
        directory / "arrays.npz",
        **{name: getattr(model, name) for name in _MODEL_ARRAYS},
        **{f"tree_{name}": getattr(model.trees, name) for name in _TREE_ARRAYS},
        familiar=np.array(model.familiar),
        n_scores=np.array(model.n_scores),
        idf=v.idf,
        pairs=v.pairs,
        gram_sizes=np.array(v.gram_sizes),
    )
    _write_arrays(
        directory / "held_out.npz",
        digests=np.array([list(bytes.fromhex(d)) for d in held_out.digests], dtype=np.uint8).reshape(-1, 16),
        truth=held_out.truth.astype(np.uint8),
        decided=held_out.decided.astype(np.uint8),
        probabilities=held_out.probabilities.astype(np.float32),
        group=held_out.group.astype(np.int64),
        behaviours=np.array(sorted(held_out.behaviours), dtype=np.str_),
        passed=np.array([held_out.behaviours[name] for name in sorted(held_out.behaviours)], dtype=np.uint8),
    )
    classes = dict(zip(model.word_classes.names, model.word_classes.patterns, strict=True))
    names = {"words": list(v.words), "grams": list(v.grams), "word_classes": classes}
    (directory / "vocabulary.json").write_text(json.dumps(names, ensure_ascii=False), encoding="utf-8")
    (directory / "taxonomy.toml").write_text(taxonomy.source, encoding="utf-8", newline="\n")


def _write_arrays(path: Path, **arrays: np.ndarray) -> None:
    # In memory first: where the disk is full, the archive would else complain once more, on its own, when it is left.
    content = BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
    path.write_bytes(content.getvalue())


def _manifest(directory: Path, model: CauseModel, taxonomy: Taxonomy, details: dict[str, Any]) -> dict[str, Any]:
    files = {name: _digest(directory / name) for name in _FILES}
    now = datetime.now(UTC).replace(microsecond=0)
    content = hashlib.sha256("".join(files.values()).encode()).hexdigest()[:8]
    return {
        "kind": KIND,
        "format": FORMAT,
        "model_version": f"{now:%Y%m%d}-{content}",
        "created": now.isoformat(),
        "taxonomy_version": taxonomy.version,
        "cause_ids": list(model.cause_ids),
        "thresholds": dict(zip(model.cause_ids, model.thresholds.tolist(), strict=True)),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "files": files,
        **details,
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


# --- loading -----------------------------------------------------------------------------------------------------


def load_model(directory: Path) -> StoredModel:
    """Verify a model directory and load it. Nothing in it is run.

    Raises:
        ModelError: it is missing, is not a model directory, has another format, or was cut off or changed.
    """
    return until_steady(directory, lambda: _load(directory), ModelError)


def _load(directory: Path) -> StoredModel:
    manifest = read_manifest(directory)
    try:
        content = {name: _verified(directory, name, manifest["files"][name]) for name in _FILES}
        taxonomy = parse_taxonomy(content["taxonomy.toml"].decode())
        causes = taxonomy.cause_ids
        if manifest["cause_ids"] != list(causes) or manifest["taxonomy_version"] != taxonomy.version:
            raise ValueError("the manifest tells of another taxonomy")
        names = read_names(content["vocabulary.json"], 2 * _MAX_CLASSES)
        tree_arrays, others = (f"tree_{name}" for name in _TREE_ARRAYS), ("familiar", "n_scores", "idf", "pairs")
        wanted = (*_MODEL_ARRAYS, *tree_arrays, *others, "gram_sizes")
        model = _model(causes, names, read_arrays(content["arrays.npz"], wanted))
        held_out = _held_out(causes, read_arrays(content["held_out.npz"], _HELD_OUT_ARRAYS))
    except _UNREADABLE:
        raise _damaged(directory) from None
    return StoredModel(model, taxonomy, held_out, manifest)


def read_manifest(directory: Path) -> dict[str, Any]:
    """What a model directory says of itself; ModelError where it is missing, foreign or of another format."""
    path, there = directory / MANIFEST, False
    with suppress(OSError):
        there = path.is_file()
    if not there:
        raise ModelError(
            f"{directory}: här finns ingen modell; kör `nollclassify train` först eller ange en modell med --model."
        )
    try:
        manifest = json.loads(read_plain(path, _SIZE_LIMITS[MANIFEST]), parse_constant=_no_number)
    except (OSError, ValueError, RecursionError):
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise ModelError(f"{directory}: mappen är inte en modell från nollclassify; ange en annan med --model.")
    if not isinstance(manifest.get("format"), int) or manifest["format"] > FORMAT:
        raise ModelError(f"{directory}: modellen har ett nyare format än {FORMAT}; uppdatera nollclassify.")
    if manifest["format"] < FORMAT:
        raise OlderModelError(
            f"{directory}: modellen är gjord av en äldre nollclassify; kör `nollclassify train` igen."
        )
    _check_manifest(directory, manifest)
    return manifest


def _no_number(name: str) -> None:
    raise ValueError(name)


def _check_manifest(directory: Path, manifest: dict[str, Any]) -> None:
    wanted: dict[str, Callable[[Any], bool]] = {
        "files": lambda v: isinstance(v, dict) and set(v) == set(_FILES),
        "cause_ids": lambda v: isinstance(v, list) and bool(v) and all(isinstance(c, str) for c in v),
        "model_version": lambda v: isinstance(v, str) and bool(_VERSION.fullmatch(v)),
        "taxonomy_version": lambda v: isinstance(v, str),
    }
    if not all(key in manifest and holds(manifest[key]) for key, holds in wanted.items()):
        raise _damaged(directory)


def _damaged(directory: Path) -> ModelError:
    return ModelError(f"{directory}: modellen är skadad eller ändrad; hämta en hel kopia eller träna om den.")


def _verified(directory: Path, name: str, digest: str) -> bytes:
    """What a file holds, read once, so that what is used is what was verified."""
    content = read_plain(directory / name, _SIZE_LIMITS[name])
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(name)
    return content


def _model(cause_ids: tuple[str, ...], names: dict[str, Any], arrays: dict[str, np.ndarray]) -> CauseModel:
    words, grams = (different_words(names[key], _MAX_WORD) for key in ("words", "grams"))
    classes = word_classes(names["word_classes"])
    "".join(classes.names).encode()
    if len(classes.names) > _MAX_CLASSES:
        raise ValueError("too many classes of words")
    n_scores = 2 * len(cause_ids) + len(classes.names) + 1
    _check_arrays(arrays, len(cause_ids), len(words), len(words) + len(arrays["pairs"]) + len(grams), n_scores)
    low, high = arrays["gram_sizes"].tolist()
    vocabulary = Vocabulary(words, arrays["pairs"], grams, arrays["idf"], (low, high))
    named: dict[str, Any] = {name: arrays[name] for name in _MODEL_ARRAYS}
    trees = Trees(*(arrays[f"tree_{name}"] for name in _TREE_ARRAYS))
    return CauseModel(
        cause_ids, vocabulary, **named, trees=trees, word_classes=classes, familiar=float(arrays["familiar"])
    )


def _check_arrays(arrays: dict[str, np.ndarray], k: int, n_words: int, n_features: int, n_scores: int) -> None:
    """ValueError where an array has not the shape, kind and range that go with the numbers of causes and names."""
    t, n_pairs, levels = arrays["tree_features"].shape[1], len(arrays["pairs"]), len(PRECISIONS)
    any_number, share, limit = (-_LARGEST, _LARGEST), (0, 1), (0, 2)
    wanted: Wanted = {
        "coefficients": ((k, n_features), "f", any_number),
        "intercepts": ((k,), "f", any_number),
        "passage_norms": ((2,), "f", (1 / _LARGEST, _LARGEST)),
        "calibration": ((k, 3), "f", any_number),
        "thresholds": ((k,), "f", share),
        "strict_thresholds": ((k, levels), "f", limit),
        "certain": ((levels,), "f", limit),
        "exclusive": ((k, k), "b", share),
        "read_twice": ((k,), "b", share),
        "familiar": ((), "f", share),
        "n_scores": ((), "i", (n_scores, n_scores)),
        "tree_features": ((k, t, 7), "i", (0, n_scores - 1)),
        "tree_limits": ((k, t, 7), "f", (-1e300, 1e300)),
        "tree_leaves": ((k, t, 8), "f", any_number),
        "tree_base": ((k,), "f", any_number),
        "idf": ((n_features,), "f", (1 / _LARGEST, _LARGEST)),
        "pairs": ((n_pairs, 2), "i", (0, n_words - 1)),
        "gram_sizes": ((2,), "i", (1, 19)),
    }
    check(arrays, wanted)
    codes = arrays["pairs"][:, 0].astype(np.int64) * n_words + arrays["pairs"][:, 1]
    if t > _MAX_TREES or (np.diff(codes) <= 0).any() or np.diff(arrays["gram_sizes"]) < 0:
        raise ValueError("too many trees, or not in order")


def _held_out(cause_ids: tuple[str, ...], arrays: dict[str, np.ndarray]) -> HeldOut:
    n, m, k = len(arrays["digests"]), len(arrays["behaviours"]), len(cause_ids)
    wanted: Wanted = {
        "digests": ((n, 16), "u", (0, 255)),
        "truth": ((n, k), "u", (0, 1)),
        "decided": ((n, k), "u", (0, 1)),
        "probabilities": ((n, k), "f", (0, 1)),
        "group": ((n,), "i", (-math.inf, math.inf)),
        "behaviours": ((m,), "U", None),
        "passed": ((m,), "u", (0, 1)),
    }
    check(arrays, wanted)
    digests = tuple(bytes(row).hex() for row in arrays["digests"].astype(np.uint8))
    behaviours = dict(zip(arrays["behaviours"].tolist(), arrays["passed"].astype(bool).tolist(), strict=True))
    truth, decided = arrays["truth"].astype(int), arrays["decided"].astype(int)
    return HeldOut(digests, truth, decided, arrays["probabilities"], arrays["group"], cause_ids, behaviours)
