"""FLOW: labelled month and model -> how far it is from what the model was trained on, and whether to train again.

The rule, with its thresholds (chosen by `tests/benchmarks/drift.py`): train again where a figure's whole 95 % interval
lies beyond its limit. So chance alone seldom says so, and with very many texts the limit says what matters. Where no
figure says so and the month has fewer than `LEAST_COMPLAINTS`, it is too few to tell: the interval of the expected
share of right label sets reaches 10 percentage points up with 50 complaints, 16 with nine (parts of an example month),
so that with fewer than 50 even a fall of 15 below the training's may go unseen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from nollclassify.auditing import Audit, chosen_month, read_audit
from nollclassify.cases import Cases, check_unique_ids, read_cases
from nollclassify.errors import InputError, ModelError
from nollclassify.estimation import Change, Interval, audited_share, rate_ratio, wilson
from nollclassify.expected import as_kept, confidence, expected_f1, expected_share, kept
from nollclassify.gate import HeldOut
from nollclassify.ledger import NO_MONTH
from nollclassify.model_store import StoredModel, load_model
from nollclassify.reference import (
    FOREIGN,
    LENGTHS_AT,
    STRANGE,
    UNKNOWN,
    WORDS,
    Reference,
    looks_of,
    primary_promise,
    read_reference,
)
from nollclassify.settings import Settings, load_settings
from nollclassify.taxonomy import OTHER

# Train again where unknown words are so many times those of the training texts, strange texts a share so much larger,
# label sets right in a share so much smaller than of the training texts, or the audit so much below the promise.
UNKNOWN_TIMES, STRANGE_MORE, RIGHT_LESS, AUDIT_LESS = 1.3, 0.03, 0.05, 0.01
LEAST_COMPLAINTS = 50
RETRAIN, NOT_NEEDED, TOO_FEW = "retrain", "not needed", "too few"
# A cause's change is pointed out where it is no chance, and at least so large.
LEAST_CHANGE = 0.02


@dataclass(frozen=True)
class Figure:
    """A figure of the month against the training texts', all 0 to 1.

    Attributes:
        name: `unknown`, `strange`, `foreign`, `right` or `audit`.
        n: texts that it rests on; for `audit` those that a person answered.
        value: with its interval.
        reference: of the training texts; for `audit` what the probabilities promised.
        limit: where the interval lies wholly beyond it the model should be trained again; None: it is only told.
    """

    name: str
    n: int
    value: Interval
    reference: float
    limit: float | None

    @property
    def over(self) -> bool:
        """Whether the interval lies wholly beyond the limit, on the side away from the reference."""
        if self.limit is None:
            return False
        return self.value.low > self.limit if self.limit >= self.reference else self.value.high < self.limit

    @property
    def judged(self) -> str:
        """`over`, `unclear` (beyond the limit, but not its whole interval), `within`, or `told` where none is set."""
        if self.limit is None:
            return "told"
        at = self.value.estimate
        beyond = at > self.limit if self.limit >= self.reference else at < self.limit
        return "over" if self.over else "unclear" if beyond else "within"


@dataclass(frozen=True)
class Part:
    """One cause, or other, as primary cause.

    Attributes:
        cause: its id, `other` for none.
        n: complaints of the month that the model gives it.
        share, before: of the month, and of what it is compared with; 0 to 1.
        change: the ratio of the two, with its p-value after Holm's correction for the number of causes.
        f1: expected, with its interval; None for other, and where the cause is hardly there.
    """

    cause: str
    n: int
    share: float
    before: float
    change: Change
    f1: Interval | None

    @property
    def certain(self) -> bool:
        """Whether the change is no chance and large enough to be worth a word."""
        return self.change.p < 0.05 and abs(self.share - self.before) >= LEAST_CHANGE


@dataclass(frozen=True)
class Drift:
    """A month against its model's training texts.

    Attributes:
        month: YYYY-MM, or `utan datum`.
        n: complaints of it.
        model_version: of the model that labelled it.
        texts: training texts.
        figures: in the order of the page.
        lengths: at each of `LENGTHS_AT` the number of words of the month's texts and of the training texts.
        causes: the mix.
        earlier: months that the mix is compared with; none: it is compared with the training texts.
        other_models: rows of earlier months that another model labelled; they are left out.
        other_months: the months of these rows.
        n_rejected: rows of the files that were refused.
        files: those that hold the month, as they were named.
    """

    month: str
    n: int
    model_version: str
    texts: int
    figures: tuple[Figure, ...]
    lengths: tuple[tuple[float, float], ...]
    causes: tuple[Part, ...]
    earlier: tuple[str, ...]
    other_models: int
    other_months: tuple[str, ...]
    n_rejected: int
    files: tuple[str, ...]

    @property
    def reasons(self) -> tuple[Figure, ...]:
        """The figures that say that the model should be trained again."""
        return tuple(figure for figure in self.figures if figure.over)

    @property
    def retrain(self) -> bool:
        return bool(self.reasons)

    @property
    def verdict(self) -> str:
        """`retrain`, `not needed`, or `too few` complaints to tell."""
        if self.retrain:
            return RETRAIN
        return TOO_FEW if self.n < LEAST_COMPLAINTS else NOT_NEEDED

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is not a finite number becomes None."""
        reasons = [figure.name for figure in self.reasons]
        plain = asdict(self) | {"verdict": self.verdict, "retrain": self.retrain, "reasons": reasons}
        plain["figures"] = [asdict(figure) | {"judged": figure.judged} for figure in self.figures]
        result: dict[str, Any] = _finite(plain)
        return result


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def measure_drift(
    labelled: Sequence[str | Path],
    model: str | Path | StoredModel | None = None,
    audits: Sequence[str | Path] = (),
    month: str | None = None,
    settings: Settings | None = None,
) -> Drift:
    """Hold a labelled month against the training texts of the model that labelled it.

    Args:
        labelled: files that `label` wrote; earlier months among them are what the mix of causes is compared with.
        model: a model directory or a loaded model; by default the champion of the settings.
        audits: filled in workbooks of `audit`.
        month: YYYY-MM, by default the latest of the files.
        settings: by default those of the working directory.

    Raises:
        InputError: a file that cannot be used, a month that is not there, or one that another model labelled.
        ModelError: a model that cannot be used, or that does not tell of its training texts.
    """
    settings = settings or load_settings()
    stored = model if isinstance(model, StoredModel) else load_model(Path(model or settings.champion))
    reference = read_reference(stored.manifest.get("reference"))
    if reference is None:
        raise ModelError(
            f"modellen {stored.version} säger inget om sina träningstexter; träna om för att få jämförelsen."
        )
    cases, n_rejected = _read(labelled, stored)
    wanted = chosen_month(cases, month, labelled)
    now = (cases["month"] == wanted).to_numpy()
    ours = (cases["model_version"] == stored.version).to_numpy()
    if not ours[now].all():
        others = ", ".join(sorted(set(cases["model_version"][now & ~ours])))
        raise InputError(
            f"{', '.join(map(str, labelled))}: {wanted} är märkt av en annan modell ({others}) än {stored.version}; "
            "ange den med --model eller märk månaden på nytt."
        )
    known = cases[ours].reset_index(drop=True)
    probabilities = known[list(stored.model.cause_ids)].to_numpy(dtype=float)
    of_month = (known["month"] == wanted).to_numpy()
    before = ((cases["month"] < wanted) & (cases["month"] != NO_MONTH)).to_numpy()
    earlier, left_out = before[ours], cases["month"][before & ~ours]
    seen = looks_of(stored.model, known["text"][of_month].tolist())
    p = probabilities[of_month]
    decided = stored.model.decide(p) & ~seen[:, FOREIGN].astype(bool)[:, None]
    read = [read_audit(Path(path), stored.taxonomy) for path in audits]
    figures = [*_texts(seen, reference), _right(p, decided, stored)]
    if read:
        figures.append(_audited(read, known, probabilities, reference, stored, audits))
    compared = probabilities[earlier], stored.model.decide(probabilities[earlier])
    if not earlier.any():
        compared = stored.held_out.probabilities, stored.held_out.decided
    return Drift(
        wanted,
        len(p),
        stored.version,
        reference.texts,
        tuple(figures),
        tuple(zip(np.quantile(seen[:, WORDS], LENGTHS_AT).tolist(), reference.lengths, strict=True)),
        _mix(p, decided, *compared, stored),
        tuple(sorted(set(known["month"][earlier]))),
        len(left_out),
        tuple(sorted(set(left_out))),
        n_rejected,
        tuple(dict.fromkeys(cases["path"][now])),
    )


# --- reading -----------------------------------------------------------------------------------------------------


def _read(labelled: Sequence[str | Path], stored: StoredModel) -> tuple[pd.DataFrame, int]:
    """A row a case: `case_id`, `month`, `text`, `model_version`, `path`, and a column of probabilities a cause."""
    if not labelled:
        raise InputError("ingen märkt fil är angiven; ange en eller flera filer som `nollclassify label` skrev.")
    many = [read_cases(Path(path), stored.taxonomy, labelled=True) for path in labelled]
    check_unique_ids(many)
    cases = pd.concat([_columns(one, stored) for one in many], ignore_index=True)
    if cases.empty:
        raise InputError(f"{', '.join(map(str, labelled))}: inga märkta klagomål; ange en märkt fil.")
    return cases, sum(len(one.rejected) for one in many)


def _columns(cases: Cases, stored: StoredModel) -> pd.DataFrame:
    fields, original = cases.fields, cases.original
    if "model_version" not in original:
        raise InputError(f"{cases.path}: kolumnen model_version saknas; ange filen som `nollclassify label` skrev den.")
    version = original["model_version"].astype(str).str.strip()
    month = fields["received"].str[:7].where(fields["received"] != "", NO_MONTH)
    ours = (version == stored.version).to_numpy()
    values = {cause: _probabilities(cases, f"p_{cause}", ours) for cause in stored.model.cause_ids}
    told = {"case_id": fields["case_id"], "month": month, "text": fields["text"], "model_version": version}
    return pd.DataFrame({**told, "path": str(cases.path), **values})


def _probabilities(cases: Cases, name: str, ours: np.ndarray) -> np.ndarray:
    """A column of probabilities; only the rows that this model labelled need to have one."""
    if name not in cases.original:
        if not ours.any():
            return np.zeros(len(ours))
        raise InputError(f"{cases.path}: kolumnen {name} saknas; ange filen som `nollclassify label` skrev den.")
    written = cases.original[name].astype(str).str.strip().str.replace(",", ".")
    values = pd.to_numeric(written, errors="coerce").to_numpy(dtype=float)
    if (wrong := ours & ~((values >= 0) & (values <= 1))).any():
        row = cases.fields["row"].to_numpy()[wrong][0]
        raise InputError(
            f"{cases.path}: rad {row}, kolumn {name}: ingen sannolikhet mellan 0 och 1; märk filen på nytt."
        )
    return values


# --- figures -----------------------------------------------------------------------------------------------------


def _texts(seen: np.ndarray, reference: Reference) -> list[Figure]:
    n, unknown = len(seen), seen[:, UNKNOWN]
    error = float(unknown.std(ddof=1) / np.sqrt(n)) if n > 1 else 1.0
    mean, half = float(unknown.mean()), float(ndtri(0.975)) * error
    span = Interval(mean, max(mean - half, 0.0), min(mean + half, 1.0))
    strange, foreign = (wilson(float(seen[:, at].sum()), n) for at in (STRANGE, FOREIGN))
    return [
        Figure("unknown", n, span, reference.unknown, reference.unknown * UNKNOWN_TIMES),
        Figure("strange", n, strange, reference.strange, reference.strange + STRANGE_MORE),
        Figure("foreign", n, foreign, reference.foreign, None),
    ]


def _right(probabilities: np.ndarray, decided: np.ndarray, stored: StoredModel) -> Figure:
    held = stored.held_out
    right = (held.truth == held.decided).all(axis=1)
    how = kept(confidence(held.probabilities, held.decided), right, held.group)
    expected = expected_share(confidence(probabilities, decided), how)
    return Figure("right", len(probabilities), expected, float(right.mean()), float(right.mean()) - RIGHT_LESS)


def _audited(
    audits: Sequence[Audit],
    cases: pd.DataFrame,
    probabilities: np.ndarray,
    reference: Reference,
    stored: StoredModel,
    paths: Sequence[str | Path],
) -> Figure:
    """The share of right primary causes that persons found, against what the probabilities promised of those cases."""
    said, promised = primary_promise(probabilities, stored.model.decide(probabilities))
    none = said == len(stored.model.cause_ids)
    promised = np.where(none, as_kept(promised, reference.others), as_kept(promised, reference.labelled))
    place = {case_id: at for at, case_id in enumerate(cases["case_id"])}
    rows = [_strata(audit, place, promised) for audit in audits]
    sizes, drawn, found, guess = (np.concatenate(part) for part in zip(*rows, strict=True))
    if not drawn.sum():
        raise InputError(
            f"{', '.join(map(str, paths))}: inget av de granskade ärendena är märkt av {stored.version} i filerna; "
            "ange granskningar av de märkta månaderna."
        )
    share = audited_share(sizes, drawn, found, guess)
    promise = float((sizes * guess).sum() / sizes.sum())
    value = Interval(float(share.share), float(share.low), float(share.high))
    return Figure("audit", int(drawn.sum()), value, promise, promise - AUDIT_LESS)


def _strata(audit: Audit, place: dict[str, int], promised: np.ndarray) -> tuple[list[float], ...]:
    """Of each stratum of an audit: cases, answers, right ones, and the mean promise."""
    here = {case_id: stratum for case_id, stratum in audit.stratum.items() if case_id in place}
    names = sorted(set(here.values()))
    sizes, drawn, found, guess = ([0.0] * len(names) for _ in range(4))
    for case_id, stratum in here.items():
        at, answer = names.index(stratum), audit.answers.get(case_id)
        sizes[at] += 1
        guess[at] += promised[place[case_id]]
        drawn[at] += answer is not None
        found[at] += answer is not None and answer[0] == stratum
    return sizes, drawn, found, [g / s for g, s in zip(guess, sizes, strict=True)]


def _mix(
    p: np.ndarray, decided: np.ndarray, p_before: np.ndarray, decided_before: np.ndarray, stored: StoredModel
) -> tuple[Part, ...]:
    causes = [*stored.model.cause_ids, OTHER]
    now, before = (
        np.bincount(primary_promise(*one)[0], minlength=len(causes))
        for one in ((p, decided), (p_before, decided_before))
    )
    changes = [rate_ratio(int(a), len(p), int(b), len(p_before)) for a, b in zip(now, before, strict=True)]
    parts = []
    for k, (cause, change, p_value) in enumerate(zip(causes, changes, _holm([c.p for c in changes]), strict=True)):
        f1 = None if cause == OTHER else _f1(k, p[:, k], decided[:, k], stored.held_out)
        corrected = Change(change.ratio, change.low, change.high, p_value)
        shares = float(now[k] / len(p)), float(before[k] / len(p_before))
        parts.append(Part(cause, int(now[k]), *shares, corrected, f1))
    return tuple(parts)


def _f1(k: int, p: np.ndarray, decided: np.ndarray, held: HeldOut) -> Interval | None:
    """The expected F1 of the k-th cause; None where it is hardly there."""
    given = held.decided[:, k].astype(bool)
    labelled, others = (kept(held.probabilities[at, k], held.truth[at, k], held.group[at]) for at in (given, ~given))
    expected = expected_f1(p, decided, labelled, others)
    return expected if np.isfinite(expected.estimate) else None


def _holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, step by step (Holm 1979)."""
    order = np.argsort(p_values)
    steps = np.maximum.accumulate(np.sort(p_values) * np.arange(len(p_values), 0, -1))
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(steps, 1.0)
    return list(map(float, corrected))
