"""FLOW: case files -> model -> labelled file and rejected rows."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from itertools import chain, islice
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pandas as pd

from nollclassify.case_files import format_of, read_table
from nollclassify.case_writing import Append, writing
from nollclassify.cases import Cases, known_headings, read_case_blocks, rejected_path
from nollclassify.errors import InputError
from nollclassify.model_store import StoredModel, load_model
from nollclassify.parts import Parts, read_part, write_part
from nollclassify.settings import Settings, load_settings
from nollclassify.text_labels import label_texts

Progress = Callable[[int, int], None]
Pairs = Generator[tuple[Cases, pd.DataFrame], None, None]  # blocks of cases, and their labels
# Rows that are read, labelled and written at a time. Files of more than so many blocks are labelled by several
# processes, which take three seconds to start, and go on where they were when they are killed.
_ROWS, _MANY_BLOCKS = 5_000, 4
_MOST_PROCESSES = 8  # reading and writing, which one does, keeps no more busy


@dataclass(frozen=True)
class Labelled:
    """What became of one case file.

    Attributes:
        output: the labelled file.
        rejected_output: the rejected rows' file, None where no row was rejected.
        n: labelled rows; n_review: those of them that a person should look at.
        n_rejected: rejected rows.
    """

    output: Path
    rejected_output: Path | None
    n: int
    n_review: int
    n_rejected: int

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The labelled rows, read from the file: text, but for our probabilities (float) and `needs_review` (bool)."""
        rows = _read_back(self.output)
        names = list(rows.columns)
        for column in names[names.index("primary_cause") + 1 : names.index("evidence")]:
            rows[column] = rows[column].astype(float)
        return rows.assign(needs_review=[str(value).lower() == "true" for value in rows["needs_review"]])

    @cached_property
    def rejected(self) -> pd.DataFrame:
        """The rejected rows, read from their file; without rows or columns where there is none."""
        return _read_back(self.rejected_output) if self.rejected_output else pd.DataFrame()


def _read_back(path: Path) -> pd.DataFrame:
    table = read_table(path, known_headings)
    return pd.DataFrame(table.rows, columns=table.columns, dtype=object)


def label(
    *files: str | Path,
    output: str | Path | None = None,
    model: str | Path | StoredModel | None = None,
    force: bool = False,
    precision: float | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
    resume: bool = True,
) -> list[Labelled]:
    """Label case files and write, for each, a labelled file and a file of rejected rows.

    Args:
        files: one or more case files.
        output: the labelled file (or, for several files, a folder); by default beside the input, `NAME.labelled.END`.
        model: a model directory or a loaded model; by default the champion of the settings.
        force: replace an output that is already there.
        precision: 0.80 to 0.99: label a cause only with this precision, and leave to review whatever keeps the
            label sets of the rest from being wholly right in this share. By default thresholds are those of best F1.
        settings: by default those of the working directory.
        progress: called with the rows done and the rows in all, 0 where that is not known yet.
        resume: go on where an earlier labelling of the same file, by the same model and settings, was killed.

    Returns:
        One `Labelled` a file, in order.

    Raises:
        InputError: a file that cannot be used, or an output that exists.
        ModelError: a model that cannot be used.
    """
    stored, settings = ready(model, precision, settings)
    paths = [Path(file) for file in files]
    plan = list(zip(paths, _outputs(paths, output), strict=True))
    _check_outputs(plan, force)
    return [_label_file(path, target, stored, settings, progress, resume) for path, target in plan]


def ready(
    model: str | Path | StoredModel | None, precision: float | None, settings: Settings | None
) -> tuple[StoredModel, Settings]:
    """The model and the settings that `label` goes by when it is called with these; errors as there."""
    settings = settings or load_settings()
    stored = model if isinstance(model, StoredModel) else load_model(Path(model or settings.champion))
    if precision is None:
        return stored, settings
    try:
        strict, level = stored.model.at_precision(precision)
    except ValueError:
        raise InputError(f"--precision {precision}: ange ett tal från 0.80 till 0.99.") from None
    return replace(stored, model=strict), replace(settings, review_below=level)


def _outputs(paths: Sequence[Path], output: str | Path | None) -> list[Path]:
    if output is None:
        return [path.with_name(f"{path.stem}.labelled{_ending(path)}") for path in paths]
    if len(paths) == 1 and not Path(output).is_dir():
        return [Path(output)]
    if Path(output).suffix and not Path(output).is_dir():
        raise InputError(f"{output}: flera filer kan inte bli en; ange en mapp med --output.")
    return [Path(output) / f"{path.stem}.labelled{_ending(path)}" for path in paths]


def _ending(path: Path) -> str:
    return ".xlsx" if format_of(path) == "excel" else path.suffix


def _check_outputs(plan: Sequence[tuple[Path, Path]], force: bool) -> None:
    """No file that will be written may be an input, be written twice, or be there already unless `force`."""
    inputs, seen = {path.resolve() for path, _ in plan}, set()
    for _, target in plan:
        format_of(target)
        for written in (target, rejected_path(target)):
            if written.resolve() in inputs:
                raise InputError(f"{written}: resultatet kan inte skrivas över indata; välj ett annat --output.")
            if written.resolve() in seen:
                raise InputError(f"{written}: två filer skulle få samma resultat; märk dem var för sig.")
            if written.exists() and not force:
                raise InputError(f"{written}: filen finns redan; ange --force för att ersätta den.")
            seen.add(written.resolve())


def _label_file(
    path: Path, target: Path, stored: StoredModel, settings: Settings, progress: Progress | None, resume: bool
) -> Labelled:
    rejected_output, n, n_review, n_rejected = rejected_path(target), 0, 0, 0
    parts = Parts(target, _identity(path, stored, settings), resume)
    blocks = read_case_blocks(path, stored.taxonomy, _ROWS)
    first = list(islice(blocks, _MANY_BLOCKS + 1))
    reject: Append | None = None
    with parts, ExitStack() as files:
        append = files.enter_context(writing(target, first[0].delimiter))
        pairs = files.enter_context(closing(_labelled(first, blocks, stored, settings, parts, progress)))
        for cases, labels in pairs:
            append(_joined(cases, labels))
            if len(cases.rejected):
                reject = reject or files.enter_context(writing(rejected_output, cases.delimiter))
                reject(cases.rejected)
            n, n_rejected = n + len(labels), n_rejected + len(cases.rejected)
            n_review += int(labels["needs_review"].astype(bool).sum())
    if not n_rejected:
        rejected_output.unlink(missing_ok=True)  # of an earlier labelling that is being replaced
    return Labelled(target, rejected_output if n_rejected else None, n, n_review, n_rejected)


def _identity(path: Path, stored: StoredModel, settings: Settings) -> str:
    """A digest of all that the labels of a file depend on."""
    thresholds = stored.model.thresholds.tolist()
    known = [version("nollclassify"), stored.manifest, thresholds, settings.review_below, _ROWS]
    digest = hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode())
    try:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    except OSError:
        pass  # The reader says what is wrong with the file.
    return digest.hexdigest()


def _labelled(
    first: Sequence[Cases],
    blocks: Iterator[Cases],
    stored: StoredModel,
    settings: Settings,
    parts: Parts,
    progress: Progress | None,
) -> Pairs:
    """The cases of a file in blocks, with their labels; where the first blocks are not all, by several processes."""
    total, done = sum(len(cases.texts) for cases in first), 0
    here = len(first) <= _MANY_BLOCKS
    with closing(
        ((cases, label_texts(cases.texts, stored, settings)) for cases in first)
        if here
        else _side_by_side(chain(first, blocks), stored, settings, parts)
    ) as pairs:
        for cases, labels in pairs:
            yield cases, labels
            done += len(labels)
            if progress:
                progress(done, total if here else 0)


def _side_by_side(blocks: Iterator[Cases], stored: StoredModel, settings: Settings, parts: Parts) -> Pairs:
    """Blocks with their labels, in order: those of an earlier labelling, else made by several processes."""
    from joblib import Parallel, cpu_count, delayed

    waiting: deque[Cases] = deque()
    failed: list[Exception] = []
    broken_off = Event()

    def tasks() -> Iterator[Any]:
        # Run by a thread of joblib's, where an error would be lost.
        try:
            for number, cases in enumerate(blocks):
                if broken_off.is_set():
                    return
                waiting.append(cases)
                yield delayed(_label_block)(cases.texts, parts.path(number))
        except Exception as error:
            failed.append(error)

    n_jobs = min(cpu_count(), _MOST_PROCESSES)
    held = pickle.dumps((stored, settings))
    results = Parallel(n_jobs, return_as="generator", initializer=_hold, initargs=(held, os.getpid()))(tasks())
    try:
        for labels in results:
            yield waiting.popleft(), labels
    finally:
        # After a fault no new block is begun, and those under way are waited for: joblib cannot break off in peace.
        broken_off.set()
        deque(results, maxlen=0)
    if failed:
        raise failed[0]


_held: list[tuple[StoredModel, Settings]] = []


def _hold(pickled: bytes, parent: int) -> None:
    """What a process keeps from block to block, for unpacking the model takes as long as a thousand texts.

    As bytes, because joblib asks whether two processes were started in the same way. Where the process that started
    it is killed, this one ends too.
    """
    _held[:] = [pickle.loads(pickled)]
    Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    # On Windows an orphan keeps its parent's number, and ends when joblib finds it idle for five minutes.
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _label_block(texts: Sequence[str], part: Path) -> pd.DataFrame:
    """The labels of a block: those of an earlier labelling that was killed, else new ones, which are kept."""
    labels = read_part(part)
    if labels is None:
        labels = label_texts(texts, *_held[0])
        write_part(part, labels)
    return labels


def _joined(cases: Cases, labels: pd.DataFrame) -> pd.DataFrame:
    """The columns that came in, then ours."""
    original = cases.original.set_axis(free_names(list(cases.original.columns), labels.columns), axis=1)
    ids = pd.DataFrame({} if cases.has_ids else {"case_id": cases.fields["case_id"]})
    return pd.concat([original, ids, labels], axis=1)


def free_names(incoming: Sequence[str], ours: Collection[str]) -> list[str]:
    """What the columns that came in are called beside ours: `NAME_in` where we have one of that name."""
    names = list(incoming)
    for at in range(len(names)):
        while names[at] in ours or names.count(names[at]) > 1:
            names[at] += "_in"
    return names
