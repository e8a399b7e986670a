"""Labelling by Spark, for real on this machine: the same labels and probabilities as `label`, to the last bit."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nollclassify import spark as spark_flow
from nollclassify.errors import InputError
from nollclassify.labelling import Labelled, label
from nollclassify.model_store import StoredModel
from nollclassify.spark import LabelledBySpark, label_with_spark
from nollclassify.text_labels import label_texts
from tests.conftest import SMALL, Workplace, run

JAVA = shutil.which("java") or os.environ.get("JAVA_HOME")
needs_spark = pytest.mark.skipif(not (find_spec("pyspark") and JAVA), reason="needs nollclassify[spark] and Java 17")
# Small partitions, so that a small table has many of them.
SUBMIT = (
    "--master local[2] --conf spark.sql.files.maxPartitionBytes=40000 --conf spark.sql.files.openCostInBytes=0 "
    "--conf spark.sql.shuffle.partitions=2 --driver-java-options '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC' "
    "pyspark-shell"
)
N = 3_200


@pytest.fixture(scope="module")
def session() -> Iterator[object]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_SUBMIT_ARGS", SUBMIT)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]))
        started = spark_flow._session()
        yield started
        started.stop()


@pytest.fixture(scope="module")
def month(starter: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3,200 rows in row groups of 400, of many types; empty texts, wrong dates, repeated ids, blank ids."""
    texts: list[str | None] = starter["text"].iloc[::5].tolist()[:N]
    texts[10], texts[1_500], texts[3_000] = (
        "🤬 väntat i telefonkö i två timmar 🙏",
        "lång väntan på svar " * 1_684,
        None,
    )
    texts[20], texts[2_000], texts[2_001] = "", " ", "I want my money back now"
    ids: list[int | None] = list(range(1, N + 1))
    ids[1], ids[500], ids[900], ids[3_100], ids[3_101] = None, 5, 901 - 1, 5, 2_900
    ids[2_500] = ids[2_501] = None
    days = [None if i % 50 == 3 else date(1980 if i % 700 == 8 else 2020, 3, 1 + i % 28) for i in range(N)]
    moment = datetime(1850, 3, 1, 23, 59, 59, 123456)
    table = pa.table(
        {
            "Ärendenummer": pa.array(ids, pa.int64()),
            "klagomål": pa.array(texts, pa.string()),
            "datum": pa.array(days, pa.date32()),
            "kund.nr`": pa.array([None if i % 3 else i for i in range(N)], pa.int32()),
            "tid": pa.array([moment + timedelta(days=i * 20) for i in range(N)], pa.timestamp("us")),
            "utc": pa.array([moment + timedelta(days=i * 20) for i in range(N)], pa.timestamp("us", "UTC")),
            "belopp": pa.array([Decimal(i) / 100 for i in range(N)], pa.decimal128(12, 2)),
            "andel": pa.array([i / 7 for i in range(N)], pa.float32()),
            "taggar": pa.array(
                [None if i % 4 == 0 else ["a", None] * (i % 3) for i in range(N)], pa.list_(pa.string())
            ),
            "svar": pa.array([{"ja": True, "antal": i} for i in range(N)]),
            "bild": pa.array([b"\xff\x00"] * N, pa.binary()),
            "causes": pa.array(["min egen"] * N),
            "Evidence": pa.array([None] * N, pa.string()),
        }
    )
    path = tmp_path_factory.mktemp("spark") / "mars [1].parquet"
    pq.write_table(table, path, row_group_size=400)
    return path


@pytest.fixture(scope="module")
def by_spark(session, month: Path, stored: StoredModel) -> LabelledBySpark:
    return label_with_spark(month, model=stored, session=session)


@pytest.fixture(scope="module")
def here(month: Path, stored: StoredModel) -> Labelled:
    return label(month, output=month.with_name("här.parquet"), model=stored)[0]


def same(ours: pa.Table, theirs: pa.Table) -> bool:
    """Whether two tables are equal, floating-point numbers bit for bit."""
    numbers = [name for name in ours.column_names if pa.types.is_floating(ours.schema.field(name).type)]
    bits = all((np.asarray(ours[n]).view(np.uint8) == np.asarray(theirs[n]).view(np.uint8)).all() for n in numbers)
    return bits and ours.equals(theirs)


def bare(path: str | Path, columns: list[str] | None = None) -> pa.Table:
    return pq.read_table(path, columns=columns).replace_schema_metadata()


@needs_spark
def test_labels_and_probabilities_are_those_of_label(
    by_spark: LabelledBySpark, here: Labelled, stored: StoredModel
) -> None:
    ours = list(label_texts([], stored).columns)
    assert same(bare(by_spark.output, ours), bare(here.output, ours))
    assert pq.read_schema(next(Path(by_spark.output).glob("*.parquet"))).names == pq.read_schema(here.output).names
    assert (by_spark.n, by_spark.n_review, by_spark.n_rejected) == (here.n, here.n_review, here.n_rejected)
    assert len(list(Path(by_spark.output).glob("*.parquet"))) > 3, "the table was meant to be labelled in many parts"


@needs_spark
def test_rejected_rows_have_the_reasons_and_numbers_of_label(by_spark: LabelledBySpark, here: Labelled) -> None:
    told = ["rejected_file", "rejected_row", "rejected_column", "rejected_reason"]
    assert by_spark.rejected_output == by_spark.output.replace(".labelled", ".rejected")
    rejected = bare(by_spark.rejected_output)
    assert rejected.column_names == bare(here.rejected_output).column_names
    assert rejected.select(told).equals(bare(here.rejected_output, told))
    reasons = dict(zip(rejected["rejected_row"].to_pylist(), rejected["rejected_reason"].to_pylist(), strict=True))
    assert reasons[3_001] == "texten är tom; fyll i klagomålet eller ta bort raden"
    assert reasons[3_101] == reasons[501] == "ärendenumret står redan på rad 5; ge raden ett eget nummer"
    assert {9, 501, 901, 2_001, 3_102} <= set(reasons)


@needs_spark
def test_every_row_comes_out_once_in_order_with_the_types_and_values_it_came_with(
    by_spark: LabelledBySpark, month: Path
) -> None:
    came = bare(month)
    names = [{"causes": "causes_in"}.get(name, name) for name in came.column_names]
    rejected = bare(by_spark.rejected_output)
    refused = [row - 1 for row in rejected["rejected_row"].to_pylist()]
    kept = sorted(set(range(N)) - set(refused))
    assert bare(by_spark.output).select(names).equals(came.take(kept).rename_columns(names))
    assert rejected.select(came.column_names).equals(came.take(refused))


@needs_spark
def test_a_table_without_ids_gets_those_of_label(session, month: Path, stored: StoredModel, tmp_path: Path) -> None:
    table = pq.read_table(month, columns=["klagomål", "datum", "belopp"])
    table = pa.concat_tables([table.slice(0, 900), table.slice(0, 50), table.slice(40, 60)])
    pq.write_table(table, tmp_path / "utan.parquet", row_group_size=200)
    result = label_with_spark(tmp_path / "utan.parquet", tmp_path / "ut", stored, precision=0.9, session=session)
    (here,) = label(tmp_path / "utan.parquet", output=tmp_path / "här.parquet", model=stored, precision=0.9)
    columns = ["case_id", "causes", "evidence", "review_reason"]
    ids = bare(result.output, columns)["case_id"].to_pylist()
    assert bare(result.output, columns).equals(bare(here.output, columns))
    assert len(list(Path(result.output).glob("*.parquet"))) > 1
    assert len(set(ids)) == len(ids)
    assert sum(name.endswith("-3") for name in ids) > 5


@needs_spark
def test_a_folder_is_one_table_whose_files_may_differ_in_columns(session, stored: StoredModel, tmp_path: Path) -> None:
    folder = tmp_path / "månader"
    (folder / "år=2020").mkdir(parents=True)
    (folder / "år=2021").mkdir()
    pq.write_table(pa.table({"id": ["1", None], "text": ["satt i kö", ""]}), folder / "år=2020" / "a.parquet")
    pq.write_table(pa.table({"id": ["2"], "text": ["hej"], "kund": [7]}), folder / "år=2021" / "b.parquet")
    result = label_with_spark(f"{folder}/", model=stored, session=session)
    assert (result.output, result.n, result.n_rejected) == (f"{folder}.labelled", 2, 1)
    rows = bare(result.output).select(["id", "kund", "år"]).to_pylist()
    assert sorted(rows, key=lambda row: row["id"]) == [
        {"id": "1", "kund": None, "år": "2020"},
        {"id": "2", "kund": 7, "år": "2021"},
    ]
    assert bare(result.rejected_output)["id"].to_pylist() == [None]
    pq.write_table(pa.table({"id": [1], "text": ["hej"]}), tmp_path / "bra.parquet")
    again = label_with_spark(tmp_path / "bra.parquet", result.output, stored, force=True, session=session)
    assert (again.n, again.rejected_output) == (1, None)
    assert bare(result.rejected_output).num_rows == 0, "the rejected rows of the replaced table stand there still"


@needs_spark
def test_a_table_without_rows_gives_one_without_rows(session, stored: StoredModel, tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"id": pa.array([], pa.int64()), "text": pa.array([], pa.string())}), tmp_path / "t.parquet"
    )
    result = label_with_spark(tmp_path / "t.parquet", model=stored, session=session)
    assert (result.n, result.n_rejected, bare(result.output).num_rows) == (0, 0, 0)
    assert "causes" in bare(result.output).column_names


@needs_spark
def test_the_command_line_does_the_same_and_is_quiet(month: Path, trained: Workplace, tmp_path: Path) -> None:
    path = tmp_path / "april.parquet"
    pq.write_table(pq.read_table(month).slice(N - 400), path)
    done = run(
        "nollclassify", "label", str(path), "--engine", "spark", cwd=trained.directory, PYSPARK_SUBMIT_ARGS=SUBMIT
    )
    here = label(path, output=tmp_path / "här.parquet", model=trained.training.stored)[0]
    assert done.returncode == 3, done.stderr
    assert done.stdout.splitlines() == [
        f"{here.n} klagomål märkta, varav {here.n_review} bör granskas: {tmp_path / 'april.labelled'}",
        f"{here.n_rejected} rader avvisade, med skäl: {tmp_path / 'april.rejected'}",
    ]
    assert done.stderr.splitlines() == ["… märker med Spark"]
    ours = list(label_texts([], trained.training.stored).columns)
    assert same(bare(tmp_path / "april.labelled", ours), bare(here.output, ours))
    told = ["rejected_file", "rejected_row", "rejected_column", "rejected_reason"]
    assert bare(tmp_path / "april.rejected", told).equals(bare(here.rejected_output, told))


@needs_spark
def test_what_cannot_be_labelled_is_told_in_one_sentence_without_a_text(
    session, month: Path, stored: StoredModel, tmp_path: Path
) -> None:
    def refused(source: Path, **options: object) -> str:
        with pytest.raises(InputError) as error:
            label_with_spark(source, model=stored, session=session, **options)  # type: ignore[arg-type]
        assert "\n" not in str(error.value)
        return str(error.value)

    assert refused(tmp_path / "ingen.parquet").endswith("filen finns inte; kontrollera namnet och mappen.")
    (tmp_path / "a.csv").write_text("text\nhemlig text", encoding="utf-8")
    hint = "ange en hel Parquet-fil eller en mapp med sådana, eller märk utan --engine spark."
    assert refused(tmp_path / "a.csv").endswith(hint)
    pq.write_table(pa.table({"namn": ["hemlig"]}), tmp_path / "b.parquet")
    assert "ingen kolumn har klagomålets text; döp den kolumnen" in refused(tmp_path / "b.parquet")
    assert refused(month).endswith(".labelled: mappen finns redan; ange --force för att ersätta den.")
    assert "kan inte skrivas över indata" in refused(month, output=month, force=True)
    assert "kan inte skrivas över indata" in refused(month, output=month.parent, force=True)
    assert "ange ett tal från 0.80 till 0.99" in refused(month, precision=0.5)
    # What is said to be text and is not: an error while the rows are read, in one of Spark's Python processes.
    broken = pa.array([b"hemlig \xff"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": broken}), tmp_path / "c.parquet")
    said = refused(tmp_path / "c.parquet")
    assert "c.parquet: Spark kunde inte göra klart märkningen (" in said
    assert "hemlig" not in said


@needs_spark
def test_too_many_repeated_ids_are_told(
    session, month: Path, stored: StoredModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(spark_flow, "_MOST_REPEATED", 0)
    with pytest.raises(InputError, match="fler än 0 ärenden upprepas; kontrollera kolumnen Ärendenummer"):
        label_with_spark(month, tmp_path / "ut", stored, session=session)


@needs_spark
def test_without_java_one_sentence_says_so(month: Path, trained: Workplace, tmp_path: Path) -> None:
    command = ["nollclassify", "label", str(month), "--engine", "spark", "--output", str(tmp_path / "ut")]
    done = run(*command, cwd=trained.directory, JAVA_HOME="/nowhere")
    assert done.returncode == 4
    assert done.stderr.splitlines()[1:] == [
        "Fel: --engine spark: Spark startar inte; kontrollera att Java 17 eller senare är installerat (JAVA_HOME) och "
        "att klustret svarar."
    ]


def test_without_pyspark_one_sentence_says_what_to_install(
    stored: StoredModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(InputError, match=r"pyspark saknas; installera nollclassify\[spark\] och Java\.$"):
        label_with_spark(tmp_path / "a.parquet", model=stored)


def test_with_spark_one_table_at_a_time_is_labelled(workplace: Workplace) -> None:
    done = run("nollclassify", "label", "a.parquet", "b.parquet", "--engine", "spark", cwd=workplace.directory)
    assert done.returncode == 4
    assert "--engine spark: 2 filer angavs; ange en Parquet-fil, eller mappen med alla." in done.stderr


@needs_spark
@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas")
def test_the_registered_model_is_a_spark_udf(session, month: Path, workplace: Workplace, stored: StoredModel) -> None:
    import mlflow

    from nollclassify.tracking import Tracking

    Tracking(SMALL)  # tells MLflow where the store of the workplace is
    types = {name: "double" if name.startswith("p_") else "string" for name in label_texts([], stored).columns}
    result_type = ", ".join(f"{name} {kind}" for name, kind in (types | {"needs_review": "boolean"}).items())
    labelled = mlflow.pyfunc.spark_udf(
        session, "models:/small@champion", env_manager="local", result_type=f"struct<{result_type}>"
    )
    frame = session.read.parquet(str(month).replace("[1]", "\\[1\\]")).limit(300).where("`klagomål` is not null")
    rows = frame.withColumn("l", labelled(frame["klagomål"].alias("text"))).select("`klagomål`", "l.*").toArrow()
    ours = label_texts(rows["klagomål"].to_pylist(), stored)
    assert rows.num_rows > 290
    assert rows.drop_columns("klagomål").to_pylist() == ours.to_dict("records")
