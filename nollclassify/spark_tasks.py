"""What Spark's Python processes do with the rows: each needs the package, and gets the model with its task."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import pandas as pd
import pyarrow as pa

from nollclassify.case_files import Table, parquet_value
from nollclassify.cases import Cases, check_table, known_columns, row_keys
from nollclassify.earlier import Earlier
from nollclassify.model_store import StoredModel
from nollclassify.settings import Settings
from nollclassify.text_labels import label_texts

Batches: TypeAlias = Iterator[pa.RecordBatch]

REJECTED = ("rejected_file", "rejected_row", "rejected_column", "rejected_reason")


@dataclass(frozen=True)
class Task:
    """What is done with each partition of the table, and all that is needed for it.

    Attributes:
        source: the table's name, for the rejected rows.
        headings: of the columns that came in.
        model: the pickled model and settings.
        starts: how many rows of the table stand before each partition.
        counts: how many rows each partition has; one that is empty is not named here.
        repeated: of each key that stands in several partitions: the partition, how often, and the first row there
            (from 1); in the order of the partitions.
    """

    source: str
    headings: tuple[str, ...]
    model: bytes
    starts: dict[int, int]
    counts: dict[int, int]
    repeated: dict[str, list[tuple[int, int, int]]]

    def label(self, batches: Batches) -> Batches:
        """The accepted rows: what came in, an id where the table has none, and the columns of `label_texts`."""
        with _without_texts():
            for batch, cases, before in self._checked(batches):
                labels = label_texts(cases.texts, *unpacked(self.model))
                ours = labels if cases.has_ids else pd.concat([cases.fields["case_id"], labels], axis=1)
                kept = batch.take(pa.array(cases.fields["row"] - 1 - before, pa.int64()))
                yield _batch([*kept.columns, *(pa.array(ours[name].tolist(), arrow_type(ours[name])) for name in ours)])

    def reject(self, batches: Batches) -> Batches:
        """The rejected rows: which file, row and column, why, and what came in."""
        with _without_texts():
            for batch, cases, before in self._checked(batches):
                told = cases.rejected[list(REJECTED)]
                kept = batch.take(pa.array(told["rejected_row"] - 1 - before, pa.int64()))
                columns = [c for name, c in zip(self.headings, kept.columns, strict=True) if name not in REJECTED]
                types = (pa.int64() if name == "rejected_row" else pa.string() for name in REJECTED)
                ours = [pa.array(told[name].tolist(), type_) for name, type_ in zip(REJECTED, types, strict=True)]
                yield _batch([*ours, *columns])

    def _checked(self, batches: Batches) -> Iterator[tuple[pa.RecordBatch, Cases, int]]:
        """Each batch of a partition, its cases, and how many rows stand before it in the whole table."""
        path, partition = Path(self.source), _partition()
        known = set(known_columns(path, self.headings).values())
        earlier, start = self._earlier(partition), self.starts.get(partition, 0)
        done = 0
        for batch in batches:
            table = _table(batch, self.headings, known, start + done)
            cases = check_table(path, table, unpacked(self.model)[0].taxonomy, earlier=earlier)
            yield batch, cases, start + done
            done += batch.num_rows
        if done != self.counts.get(partition, 0):
            raise RuntimeError("the table has changed since its rows were counted")

    def _earlier(self, partition: int) -> Earlier:
        """What the partitions before have that may also stand in this one."""
        earlier = Earlier()
        for key, places in self.repeated.items():
            before = [place for place in places if place[0] < partition]
            if before:
                first, _, row = before[0]
                earlier.ids.set(key, self.starts[first] + row)
                earlier.contents.set(key, sum(count for _, count, _ in before))
        return earlier


@dataclass(frozen=True)
class Keys:
    """Gives the key of each row (see `row_keys`) with its partition and its number there; nothing for a blank id."""

    columns: dict[str, str]

    def __call__(self, batches: Batches) -> Batches:
        with _without_texts():
            partition, done = _partition(), 0
            for batch in batches:
                headings = list(self.columns.values())
                table = _table(batch, headings, set(headings), done)
                found = [(k, row) for k, row in zip(row_keys(table, self.columns), table.lines, strict=True) if k]
                yield _batch(
                    [
                        pa.array([key for key, _ in found], pa.string()),
                        pa.array([partition] * len(found), pa.int64()),
                        pa.array([row for _, row in found], pa.int64()),
                    ]
                )
                done += batch.num_rows


def _partition() -> int:
    from pyspark import TaskContext

    context = TaskContext.get()
    assert context
    return int(context.partitionId())


@lru_cache(maxsize=1)
def unpacked(pickled: bytes) -> tuple[StoredModel, Settings]:
    """What a process keeps from task to task, for unpacking a model takes as long as a thousand texts."""
    held: tuple[StoredModel, Settings] = pickle.loads(pickled)
    return held


@contextmanager
def _without_texts() -> Iterator[None]:
    """Of an error nothing but its kind: Spark writes it to its logs, and a message may quote what it stumbled on."""
    try:
        yield
    except Exception as error:
        raise RuntimeError(type(error).__name__) from None


def _table(batch: pa.RecordBatch, headings: Sequence[str], known: set[str], before: int) -> Table:
    """The columns of a batch that are understood, as the readers of case files give them."""
    found = [(name, column) for name, column in zip(headings, batch.columns, strict=True) if name in known]
    values = [[parquet_value(value) for value in column.to_pylist()] for _, column in found]
    rows = [list(row) for row in zip(*values, strict=True)]
    return Table([name for name, _ in found], rows, list(range(before + 1, before + 1 + batch.num_rows)))


def _batch(columns: Sequence[pa.Array]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(columns), names=list(map(str, range(len(columns)))))


def arrow_type(column: pd.Series) -> pa.DataType:
    """The type of one of our columns, as `label` writes it."""
    if column.name == "needs_review":
        return pa.bool_()
    return pa.float64() if column.dtype == float else pa.string()
