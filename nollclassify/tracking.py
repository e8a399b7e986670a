"""The only room that knows MLflow: runs, registered versions, aliases.

Nothing here ever passes a complaint's text on: runs get figures, label definitions and digests.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sqlite3
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, redirect_stderr
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from nollclassify.atomic import reason
from nollclassify.champions import Reign, as_table, crowned, dump, ends, parse, settled
from nollclassify.errors import TrackingError
from nollclassify.gate import Decision
from nollclassify.model_store import MANIFEST, StoredModel, load_model, write_model
from nollclassify.processes import is_gone, mark
from nollclassify.run_record import Page, gate_page
from nollclassify.settings import Settings
from nollclassify.store_addresses import ARTEFACTS, database_of, follow

if TYPE_CHECKING:
    from mlflow.models import ModelSignature
    from mlflow.tracking import MlflowClient

CHAMPION, CHALLENGER = "champion", "challenger"
DATABASE = "mlflow.db"
# Tells which process a run belongs to.
PROCESS = "process"
# The registered model's tag that tells who was champion when.
REIGNS = "champions"
# A version's tag: why it was taken back.
_WHY = "rollback_reason"
_NOTE = "mlflow.note.content"
# Else MLflow shows the experiment as one of chats and prompts, and each run as made by `__main__.py`.
_KIND = {"mlflow.experimentKind": "custom_model_development"}
_SOURCE = {"mlflow.source.name": "nollclassify train"}
_ABOUT_EXPERIMENT = (
    "Trainings of nollclassify. Figures are of cross-validation on authors (and near-duplicates) that were not in the "
    "training part. Each run keeps pictures, its evaluation and the gate's judgements as artefacts; no text of a "
    "complaint is among them."
)
_ABOUT_MODEL = (
    "Reads Swedish customer complaints and says why the customer is dissatisfied. The alias `champion` is what "
    "`nollclassify label` uses, `challenger` the newest training. `nollclassify promote VERSION` asks the gate, and "
    "`nollclassify rollback` makes the champion before the present one champion again."
)
_SERVED_LIBRARIES = ("nollclassify", "mlflow", "numpy", "scipy", "pandas", "ftfy", "phonenumbers", "personnummer")


@dataclass(frozen=True)
class Registered:
    """A registered version: its number in the registry, the run that made it, and its model directory."""

    number: str
    run_id: str
    stored: StoredModel


# MLflow writes the addresses that it is given into the environment. These are ours, not the user's: in another working
# directory the same process must not go on using them.
_ours: dict[str, str] = {}
_ESCAPED = re.compile("%[0-9A-Fa-f]{2}")


def _address(name: str, default: str) -> str:
    """What the user set in the environment, else the default."""
    value = os.environ.get(name)
    if value and value != _ours.get(name):
        return value
    _ours[name] = default
    return default


class Tracking:
    """The MLflow store of a working directory, or the one that `MLFLOW_TRACKING_URI` names.

    Raises:
        TrackingError: from every method, when the store cannot be reached or lacks what was asked for.
    """

    def __init__(self, settings: Settings) -> None:
        # Both before MLflow is imported: it reports to its makers by default, and greets with hints.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        import mlflow

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self.settings = settings
        self.uri = _address("MLFLOW_TRACKING_URI", f"sqlite:///{Path(DATABASE).absolute()}")
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(_address("MLFLOW_REGISTRY_URI", self.uri))
        self._database = database_of(self.uri)
        # MLflow takes it for the sign that it stands for in an address, tries for a minute, and loses its way.
        if self._database and (sign := _ESCAPED.search(str(self._database))):
            raise TrackingError(
                f"{self._database.parent}: MLflow klarar inte {sign[0]} i en mapps namn; byt namn på den."
            )
        self._lock: AbstractContextManager[Any] = nullcontext()
        with _clear_errors(self.uri):
            if self._database:
                self._lock = FileLock(str(self._database.with_suffix(".lock")))
            # Two first starts at once on a store that does not exist yet: one of them dies. So one after the other.
            with self._lock:
                if self._database:
                    follow(self._database)
                self._client = mlflow.MlflowClient()
                self._experiment = self._find_or_create()
            self._end_dead_runs()

    @property
    def client(self) -> MlflowClient:
        return self._client

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While this is held, no other process chooses a champion; a store on a server is not locked."""
        with ExitStack() as held:
            with _clear_errors(self.uri):
                held.enter_context(self._lock)
            yield

    def _find_or_create(self) -> str:
        found = self._client.get_experiment_by_name(self.settings.experiment)
        if found is not None:
            return str(found.experiment_id)
        location = None
        if self._database:
            artefacts = self._database.parent / ARTEFACTS
            artefacts.mkdir(exist_ok=True)
            location = artefacts.as_uri()
        name, tags = self.settings.experiment, {_NOTE: _ABOUT_EXPERIMENT, **_KIND}
        return str(self._client.create_experiment(name, artifact_location=location, tags=tags))

    def _end_dead_runs(self) -> None:
        """A run whose process was killed says RUNNING until somebody else says otherwise."""
        for run in self._client.search_runs([self._experiment], "attributes.status = 'RUNNING'"):
            if is_gone(run.data.tags.get(PROCESS, ""), time.time() - run.info.start_time / 1000):
                self._client.set_terminated(run.info.run_id, "KILLED")

    def record(
        self,
        stored: StoredModel,
        params: dict[str, Any],
        metrics: dict[str, float],
        reports: dict[str, dict[str, Any]],
        page: Page | None = None,
    ) -> tuple[str, str]:
        """Record a finished training: parameters, metrics, reports, taxonomy, and the model as a pyfunc.

        Args:
            stored: the model.
            params, metrics: plain values.
            reports: file name -> what the JSON file holds; figures only.
            page: what the run and the version look like to people.

        Returns:
            The run's id, and the number of the registered version, which gets the alias `challenger`.
        """
        import mlflow

        page = page or Page(f"train-{stored.version}", "", "", {})
        tags = {PROCESS: mark(), "model_version": stored.version, _NOTE: page.note, **_SOURCE}
        with (
            _clear_errors(self.uri),
            # A directory of its own, for another training may replace the directory that this one has just written.
            tempfile.TemporaryDirectory(prefix="nollclassify-") as own,
            mlflow.start_run(experiment_id=self._experiment, run_name=page.name, tags=tags) as run,
        ):
            mlflow.set_tag("taxonomy_version", stored.taxonomy.version)
            mlflow.log_params(params)
            mlflow.log_metrics(metrics)
            mlflow.log_text(stored.taxonomy.source, "taxonomy.toml")
            for name, content in reports.items():
                mlflow.log_dict(content, name)
            for name, picture in page.pictures.items():
                mlflow.log_figure(picture, name)
            write_model(Path(own) / "model", stored)
            uri = self._log_model(Path(own) / "model", stored)
            with self._lock:
                number = self._register(uri, stored, page.summary)
        return str(run.info.run_id), number

    def _log_model(self, directory: Path, stored: StoredModel) -> str:
        import mlflow

        with warnings.catch_warnings():
            # MLflow asks for type hints on predict; our signature is explicit instead.
            warnings.simplefilter("ignore")
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(Path(__file__).with_name("serving.py")),
                artifacts={"model": str(directory)},
                signature=_signature(stored.model.cause_ids),
                # Named, because finding them out takes MLflow ten seconds and an import of everything.
                pip_requirements=[f"{name}=={version(name)}" for name in _SERVED_LIBRARIES],
            )
        return str(info.model_uri)

    def _register(self, model_uri: str, stored: StoredModel, summary: str) -> str:
        import mlflow

        name = self.settings.registered_model
        # MLflow tells of every version on standard error, in its own words.
        with redirect_stderr(io.StringIO()):
            registered = mlflow.register_model(model_uri, name)
        number = str(registered.version)
        self._client.set_model_version_tag(name, number, "model_version", stored.version)
        self._client.set_model_version_tag(name, number, "taxonomy_version", stored.taxonomy.version)
        self._client.update_model_version(name, number, summary)
        self._client.set_registered_model_alias(name, CHALLENGER, number)
        return number

    def version_of(self, alias: str) -> str | None:
        """The number of the version that bears an alias, or None."""
        from mlflow.exceptions import MlflowException

        with _clear_errors(self.uri):
            try:
                return str(self._client.get_model_version_by_alias(self.settings.registered_model, alias).version)
            except MlflowException as error:
                # Anything else, a store that is away for a moment say, must not pass for "there is no champion".
                if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    raise
                return None

    def registered(self, number_or_alias: str) -> Registered:
        """A registered version with its model, verified; named by its number, `champion` or `challenger`."""
        name = self.settings.registered_model
        number = self.version_of(number_or_alias) if number_or_alias in (CHAMPION, CHALLENGER) else number_or_alias
        if number is None:
            raise TrackingError(f"{self.uri}: ingen version av {name} är {number_or_alias}; kör `nollclassify train`.")
        with _clear_errors(self.uri, f"version {number} av {name} finns inte i registret"):
            found = self._client.get_model_version(name, number)
        return Registered(number, str(found.run_id), load_model(self.fetch(f"models:/{name}/{number}")))

    def fetch(self, model_uri: str) -> Path:
        """The model directory behind `models:/NAME@ALIAS` or `models:/NAME/VERSION`."""
        import mlflow

        with _clear_errors(self.uri, f"modellen {model_uri} finns inte i registret"):
            folder = Path(mlflow.artifacts.download_artifacts(model_uri))
        return next(folder.glob(f"artifacts/*/{MANIFEST}"), folder / MANIFEST).parent

    def judge(self, number: str, decision: Decision, verdict: str, reason: str, summary: str) -> None:
        """Write the gate's decision to a version, as tags and as what its page says, and to the run that made it.

        Args:
            number: the version's.
            decision: the gate's.
            verdict: `passed`, `refused`, or `forced` where a person promoted it all the same.
            reason: why.
            summary: the version's description.
        """
        name = self.settings.registered_model
        tags = {
            "gate": verdict,
            "gate_reason": reason,
            "gate_figures": json.dumps(decision.figures),
        }
        table = decision.table.astype(object).where(decision.table.notna(), None)
        whole = {"gate": verdict, "reason": reason, "figures": decision.figures, "table": table.to_dict("records")}
        with _clear_errors(self.uri):
            self._keep(number, {"gate.json": _json(whole), "gate.html": gate_page(decision, verdict, reason)})
            for key, value in tags.items():
                self._client.set_model_version_tag(name, number, key, value)
            self._client.update_model_version(name, number, summary)

    def _keep(self, number: str, files: dict[str, str]) -> None:
        """Put files among the artefacts of the run that made a version.

        Not by the client: it remembers where a run's artefacts lie, also after the store was moved.
        """
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        run_id = self._client.get_model_version(self.settings.registered_model, number).run_id
        repository = get_artifact_repository(self._client.get_run(str(run_id)).info.artifact_uri)
        with tempfile.TemporaryDirectory(prefix="nollclassify-") as own:
            for name, content in files.items():
                (Path(own) / name).write_text(content, encoding="utf-8")
            repository.log_artifacts(own)  # type: ignore[no-untyped-call]

    def reigns(self) -> tuple[Reign, ...]:
        """Who was champion from when till when, oldest first; made right where a process died in writing it down."""
        name, champion = self.settings.registered_model, self.version_of(CHAMPION)
        if champion is None:
            return ()
        with _clear_errors(self.uri):
            told = parse(self._client.get_registered_model(name).tags.get(REIGNS))
        reigns = settled(told, champion, _now())
        if reigns != told:
            self._write_down(reigns)
        return reigns

    def crown(self, number: str, how: str, why: str = "") -> None:
        """Make a version champion; `why` is written to the one that it takes the place of.

        A reason why a version was once taken back goes when that version is champion again, or is replaced without one.
        """
        name, before = self.settings.registered_model, self.version_of(CHAMPION)
        reigns = crowned(self.reigns(), number, how, _now(), why)
        with _clear_errors(self.uri):
            for version, told in ((before, why), (number, "")):
                if version and told:
                    self._client.set_model_version_tag(name, version, _WHY, told)
                elif version:
                    self._client.delete_model_version_tag(name, version, _WHY)
            self._client.set_registered_model_tag(name, REIGNS, dump(reigns))
            self._client.set_registered_model_alias(name, CHAMPION, number)
        self._write_down(settled(reigns, number, _now()))

    def _write_down(self, reigns: tuple[Reign, ...]) -> None:
        name, times = self.settings.registered_model, ends(reigns)
        with _clear_errors(self.uri):
            known = {str(v.version) for v in self._client.search_model_versions(f"name='{name}'")}
            for number in {r.version for r in reigns[-2:]} & known:
                for tag, time_ in zip(("champion_since", "champion_until"), times[number], strict=True):
                    if time_:
                        self._client.set_model_version_tag(name, number, tag, time_)
                    else:
                        self._client.delete_model_version_tag(name, number, tag)
            self._client.update_registered_model(name, f"{_ABOUT_MODEL}\n\n{as_table(reigns)}")
            self._client.set_registered_model_tag(name, REIGNS, dump(reigns))

    def model_versions(self) -> dict[str, str]:
        """Number of each registered version -> the `model_version` of its model."""
        with _clear_errors(self.uri):
            found = self._client.search_model_versions(f"name='{self.settings.registered_model}'")
        return {str(v.version): v.tags.get("model_version", "") for v in found}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _now() -> str:
    return datetime.now(UTC).replace(microsecond=0).isoformat()


def _signature(cause_ids: tuple[str, ...]) -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType

    probabilities = [ColSpec("double", f"p_{cause}") for cause in cause_ids]
    first = [ColSpec("string", name) for name in ("causes", "primary_cause")]
    last = [ColSpec("string", name) for name in ("review_reason", "model_version", "taxonomy_version")]
    middle = [ColSpec("string", "evidence"), ColSpec("boolean", "needs_review")]
    # `serving.py` itself insists on a column of texts: MLflow's own refusal would print them.
    text = ColSpec(AnyType(), "text", required=False)  # type: ignore[no-untyped-call]
    return ModelSignature(Schema([text]), Schema([*first, *probabilities, *middle, *last]))


@contextmanager
def _clear_errors(uri: str, what: str = "") -> Iterator[None]:
    """Turn the store's own errors, which are long and name internals, into one sentence."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as error:
        why = reason(error) if isinstance(error, OSError) else type(error).__name__
        sentence = what or f"MLflow-lagret svarar inte som väntat ({why})"
        raise TrackingError(f"{uri}: {sentence}; kontrollera MLFLOW_TRACKING_URI och namnet.") from error
