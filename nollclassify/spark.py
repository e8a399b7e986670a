"""FLOW: Parquet -> model -> Parquet by Spark, on one machine or on many, with the checks and labels of `label`.

The table is read twice: the ids alone, to know which are repeated, then all of it, to be labelled; and once more for
the rejected rows, where there are any. Spark's partitions come in the order of the rows, the same at each reading.
"""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from nollclassify.cases import CONTENT, known_columns
from nollclassify.errors import InputError
from nollclassify.labelling import free_names, ready
from nollclassify.model_store import StoredModel
from nollclassify.settings import Settings
from nollclassify.spark_tasks import REJECTED, Keys, Task, arrow_type, unpacked
from nollclassify.text_labels import label_texts

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

# The ids that stand in several partitions go to every task; a column with more of them is hardly one of ids.
_MOST_REPEATED = 200_000
# What Spark must be told so that values come out as they came in, and no file is passed over.
_OPTIONS = {
    "spark.sql.caseSensitive": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
}


@dataclass(frozen=True)
class LabelledBySpark:
    """What became of a table.

    Attributes:
        output: the folder of labelled rows.
        rejected_output: that of the rejected rows, None where no row was rejected.
        n: labelled rows; n_review: those of them that a person should look at.
        n_rejected: rejected rows.
    """

    output: str
    rejected_output: str | None
    n: int
    n_review: int
    n_rejected: int


def label_with_spark(
    source: str | Path,
    output: str | Path | None = None,
    model: str | Path | StoredModel | None = None,
    force: bool = False,
    precision: float | None = None,
    settings: Settings | None = None,
    session: SparkSession | None = None,
) -> LabelledBySpark:
    """Label a Parquet file, or a folder of them, and write folders of Parquet.

    Checks, labels and probabilities are those of `label`. The columns that came in keep their types and values, also a
    blank id (`label` fills it in). Rows are numbered as Spark reads them, the largest file of a folder first.

    Args:
        source: path or address of the table.
        output: the folder of labelled rows; by default `NAME.labelled`, beside the table. Rejected rows go to
            `NAME.rejected`, or `OUTPUT.rejected`.
        model, precision, settings: as for `label`.
        force: replace folders that are already there; they are deleted before the new ones are written.
        session: a Spark session; by default the running one, or a new one on this machine, which then goes on running.

    Raises:
        InputError: Spark is not there or fails, an input that cannot be used, or an output that exists.
        ModelError: a model that cannot be used.
    """
    stored, settings = ready(model, precision, settings)
    source = str(source).rstrip("/")
    output = str(output or f"{source.removesuffix('.parquet')}.labelled").rstrip("/")
    rejected_output = f"{output.removesuffix('.labelled')}.rejected"
    with _prepared(session) as spark:
        frame = _read(spark, source)
        _check_places(spark, source, (output, rejected_output), force)
        try:
            return _label(spark, frame, _task(frame, source, stored, settings), output, rejected_output)
        except InputError:
            raise
        except Exception as error:  # Spark's own message may quote a text.
            what = f"Spark kunde inte göra klart märkningen ({_kind(error)})"
            hint = "kontrollera filerna, minne och diskutrymme, eller märk utan --engine spark"
            raise InputError(f"{source}: {what}; {hint}.") from None


def _label(spark: SparkSession, frame: DataFrame, task: Task, output: str, rejected_output: str) -> LabelledBySpark:
    from pyspark.sql import functions as f

    # By position: a heading may have dots and quotation marks, which Spark would read as the path to a field.
    numbered = frame.toDF(*map(str, range(len(frame.columns))))
    labelled = numbered.mapInArrow(task.label, _labelled_schema(frame, task))
    labelled.write.parquet(output, mode="overwrite")
    n, n_review = spark.read.parquet(_literal(output)).agg(f.count("*"), f.count_if("needs_review")).collect()[0]
    n_rejected = sum(task.counts.values()) - n
    if n_rejected or _exists(spark, rejected_output):
        rejected = numbered.mapInArrow(task.reject, _rejected_schema(frame))
        rejected.write.parquet(rejected_output, mode="overwrite")
    return LabelledBySpark(output, rejected_output if n_rejected else None, n, n_review, n_rejected)


@contextmanager
def _prepared(session: SparkSession | None) -> Iterator[SparkSession]:
    """The session, by default `_session()`, with `_OPTIONS` as long as the block lasts."""
    with warnings.catch_warnings():
        # Only tables of Arrow's pass to and fro.
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")
        spark = session or _session()
        before = {name: spark.conf.get(name, None) for name in _OPTIONS}
        try:
            for name, value in _OPTIONS.items():
                spark.conf.set(name, value)
            yield spark
        finally:
            for name, old in before.items():
                spark.conf.unset(name) if old is None else spark.conf.set(name, old)


def _session() -> SparkSession:
    """The running session, or a new one on this machine, whose messages are not shown; workers have this Python."""
    try:
        from pyspark import SparkConf, SparkContext
        from pyspark.java_gateway import launch_gateway
        from pyspark.sql import SparkSession
    except ImportError:
        raise InputError("--engine spark: pyspark saknas; installera nollclassify[spark] och Java.") from None
    try:
        if not SparkSession.getActiveSession():
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
            conf = SparkConf().setAppName("nollclassify").set("spark.ui.enabled", "false")
            # Spark's messages are many, and may quote what stands in the table.
            SparkContext(gateway=launch_gateway(conf, {"stderr": subprocess.DEVNULL})).setLogLevel("OFF")
        return SparkSession.builder.getOrCreate()
    except Exception:  # Java that is missing, or a cluster that does not answer, show themselves in many ways.
        hint = "kontrollera att Java 17 eller senare är installerat (JAVA_HOME) och att klustret svarar"
        raise InputError(f"--engine spark: Spark startar inte; {hint}.") from None


def _read(spark: SparkSession, source: str) -> DataFrame:
    try:
        return spark.read.parquet(_literal(source), mergeSchema=True)
    except Exception as error:
        if _kind(error) == "PATH_NOT_FOUND":
            raise InputError(f"{source}: filen finns inte; kontrollera namnet och mappen.") from None
        hint = "ange en hel Parquet-fil eller en mapp med sådana, eller märk utan --engine spark"
        raise InputError(f"{source}: Spark kan inte läsa tabellen ({_kind(error)}); {hint}.") from None


def _kind(error: Exception) -> str:
    """Spark's name for an error, which holds no data, or else the error's class."""
    condition = error.getCondition() if hasattr(error, "getCondition") else None
    return condition or type(error).__name__


def _literal(path: str) -> str:
    """A path in which Spark finds no pattern."""
    return re.sub(r"([\\{}\[\]*?])", r"\\\1", path)


def _exists(spark: SparkSession, path: str) -> bool:
    try:
        spark.read.format("binaryFile").load(_literal(path))
    except Exception as error:
        if _kind(error) == "PATH_NOT_FOUND":
            return False
        raise InputError(f"{path}: Spark når inte mappen ({_kind(error)}); välj ett annat --output.") from None
    return True


def _check_places(spark: SparkSession, source: str, outputs: Iterable[str], force: bool) -> None:
    """No folder that is written may hold the input, lie in it, or be there already unless `force`."""
    for written in outputs:
        one, other = _whole(source), _whole(written)
        if one.startswith(other) or other.startswith(one):
            raise InputError(f"{written}: resultatet kan inte skrivas över indata; välj ett annat --output.")
        if not force and _exists(spark, written):
            raise InputError(f"{written}: mappen finns redan; ange --force för att ersätta den.")


def _whole(place: str) -> str:
    """A path or address that is the beginning of what lies in it."""
    place = place.removeprefix("file:")
    return f"{place if '://' in place else Path(place).resolve()}/"


def _task(frame: DataFrame, source: str, stored: StoredModel, settings: Settings) -> Task:
    from pyspark.sql import functions as f

    path, headings = Path(source), tuple(frame.columns)
    known = known_columns(path, headings)
    counts = dict(sorted(map(tuple, frame.groupBy(f.spark_partition_id()).count().collect())))
    named = {name: known[name] for name in (["case_id"] if "case_id" in known else CONTENT) if name in known}
    at = [str(headings.index(heading)) for heading in named.values()]
    keys = frame.toDF(*map(str, range(len(headings)))).select(at)
    found = keys.mapInArrow(Keys(named), "key string, partition long, row long")
    places = found.groupBy("key", "partition").agg(f.count("*").alias("count"), f.min("row").alias("first"))
    gathered = places.groupBy("key").agg(f.collect_list(f.struct("partition", "count", "first")).alias("places"))
    repeated = gathered.where(f.size("places") > 1).limit(_MOST_REPEATED + 1).collect()
    if len(repeated) > _MOST_REPEATED:
        what = f"kolumnen {known['case_id']}" if "case_id" in known else "texterna"
        raise InputError(f"{source}: fler än {_MOST_REPEATED} ärenden upprepas; kontrollera {what}.")
    by_key = {row["key"]: sorted(tuple(place) for place in row["places"]) for row in repeated}
    starts = dict(zip(counts, accumulate(counts.values(), initial=0), strict=False))
    return Task(path.name, headings, pickle.dumps((stored, settings)), starts, counts, by_key)


def _labelled_schema(frame: DataFrame, task: Task) -> StructType:
    from pyspark.sql.pandas.types import from_arrow_type
    from pyspark.sql.types import StructField, StructType

    labels = label_texts([], *unpacked(task.model))
    ids = [] if "case_id" in known_columns(Path(task.source), task.headings) else ["case_id"]
    ours = [StructField(name, from_arrow_type(arrow_type(labels[name]))) for name in labels]
    names = free_names(task.headings, labels.columns)
    incoming = [StructField(name, field.dataType) for name, field in zip(names, frame.schema.fields, strict=True)]
    return StructType([*incoming, *(StructField(name, from_arrow_type(pa.string())) for name in ids), *ours])


def _rejected_schema(frame: DataFrame) -> StructType:
    from pyspark.sql.types import LongType, StringType, StructField, StructType

    ours = [StructField(name, LongType() if name == "rejected_row" else StringType()) for name in REJECTED]
    return StructType([*ours, *(field for field in frame.schema.fields if field.name not in REJECTED)])
