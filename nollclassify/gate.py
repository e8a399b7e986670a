"""The quality gate: held-out predictions that are kept with a model, and whether a challenger may become champion.

Whatever is compared is compared on the same texts, and the difference is resampled in pairs, whole groups at a time.
Calibration is compared by the calibration error over bins of equal mass that are made once, from all texts. Why not by
the Brier score, whose difference is a plain mean: it also moves with what the F1 already judges. Of two trainings on
1,730 texts that differed in their folds alone its skill differed by 0.03, more than the 0.02 that 0.05 too much on
every probability cost; the calibration errors differed by 0.004 and 0.04. A resample adds noise to both errors, which
draws their difference towards 0 by up to a quarter; so the resamples are moved to the difference that was seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from nollclassify.behaviours import KINDS_SV, kind_of
from nollclassify.estimation import resampled_weights
from nollclassify.evaluation import (
    N_RESAMPLES,
    Scores,
    calibration_bins,
    calibration_error,
    f1_of,
    resampling,
    score,
)

PASSED, WORSE, NOT_JUDGED, NEW = "passed", "worse", "not judged", "new"


@dataclass(frozen=True)
class HeldOut:
    """Predictions on texts that the predicting model had not seen, kept so that models can be compared later.

    Attributes:
        digests: n names of texts, from `text_digest`.
        truth, decided: shape (n, k), 0 or 1.
        probabilities: shape (n, k), 0 to 1, float32: calibrated, by models that saw nothing of the text's group.
        group: n group numbers.
        cause_ids: k ids.
        behaviours: name of each group of the behaviour suite -> whether the final model passes it.
    """

    digests: tuple[str, ...]
    truth: np.ndarray
    decided: np.ndarray
    probabilities: np.ndarray
    group: np.ndarray
    cause_ids: tuple[str, ...]
    behaviours: Mapping[str, bool] = field(default_factory=dict)

    def select(self, at: Sequence[int]) -> HeldOut:
        """Only the texts at these positions."""
        chosen = np.asarray(at, dtype=int)
        digests = tuple(self.digests[i] for i in chosen)
        names = ("truth", "decided", "probabilities", "group")
        arrays: dict[str, Any] = {name: getattr(self, name)[chosen] for name in names}
        return replace(self, digests=digests, **arrays)


@dataclass(frozen=True)
class GateRule:
    """What a challenger must keep to; all F1 from 0 to 1.

    Attributes:
        min_texts: nothing is judged on fewer shared texts.
        min_cause_texts: a cause with fewer examples in them is not judged, and so not passed.
        min_macro_f1: what the lower end of the interval of macro-F1 must reach.
        margin, cause_margin: how much worse than the champion the one-sided 95 % bound may be, overall and per cause.
        behaviour_margin: the same for the share of groups that pass, for each kind of behaviour.
        calibration_margin: the same for each cause's calibration error. On 581 texts a model that was clearly better
            had a bound of 0.025; on 1,730 a shift of all probabilities by 0.05 had 0.042 or more.
        min_groups: a kind of behaviour with fewer groups is not judged, and so not passed.
    """

    min_texts: int = 200
    min_cause_texts: int = 30
    min_macro_f1: float = 0.5
    margin: float = 0.02
    cause_margin: float = 0.05
    behaviour_margin: float = 0.1
    calibration_margin: float = 0.03
    min_groups: int = 30


@dataclass(frozen=True)
class Judgement:
    """One thing in which a challenger is judged.

    Attributes:
        part: `overall`, `cause`, `behaviour` or `calibration`.
        name: the cause's id or the kind of behaviour; `macro_f1` overall.
        n: shared texts, those of them with the cause, or groups of the behaviour suite.
        challenger, champion: F1, share of groups that pass, or calibration error; NaN where it is not known.
        difference, low, high: by how much the challenger is better, below 0 worse, with its 95 % interval; for a new
            cause NaN and the interval of its own F1.
        bound: one-sided 95 % lower bound of the difference; NaN where nothing was compared.
        margin: how far below 0 the bound may be; NaN where nothing was compared.
        verdict: `passed`, `worse`, `not judged`, or `new` for what the champion does not know.
        sentence: what is to be said of it, in Swedish; empty where there is nothing to say.
    """

    part: str
    name: str
    n: int
    challenger: float
    champion: float
    difference: float
    low: float
    high: float
    bound: float
    margin: float
    verdict: str
    sentence: str = ""


@dataclass(frozen=True)
class Decision:
    """The gate's answer, its reason in a Swedish sentence, the figures that it rests on, and every single judgement."""

    passed: bool
    reason: str
    figures: dict[str, float]
    judgements: tuple[Judgement, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """One row a judgement, its attributes as columns."""
        return pd.DataFrame([vars(j) for j in self.judgements], columns=list(Judgement.__annotations__))


def gate(
    challenger: HeldOut,
    champion: HeldOut | None,
    rule: GateRule,
    seed: int = 0,
    names: Mapping[str, str] | None = None,
) -> Decision:
    """Whether a challenger may become champion, on the texts that both were tested on.

    The lower end of the challenger's macro-F1 must reach `rule.min_macro_f1`. Where there is a champion, the
    one-sided 95 % lower bound of every difference must stay above its margin: of macro-F1, each cause's F1 and
    calibration error, and each kind of behaviour. What has too few texts or groups is not judged, and the challenger
    does not pass. A cause that the champion does not know has nothing to be compared with: the decision tells its own
    figure. A kind of behaviour of which neither model has a single group, for its causes are others, is left out.

    Args:
        challenger, champion: their held-out predictions.
        rule: what is asked for.
        seed: of the resampling.
        names: cause id -> what to call it in the reason; the id where it is missing.
    """
    floor, scores = _floor(challenger, rule, seed)
    if scores is None:
        return floor
    called = {cause: (names or {}).get(cause, cause) for cause in challenger.cause_ids}
    known = champion.cause_ids if champion else ()
    new = tuple(_new_causes(scores, called, known))
    if champion is None:
        return replace(floor, judgements=tuple(replace(judgement, sentence="") for judgement in new))
    if lost := [(names or {}).get(cause, cause) for cause in champion.cause_ids if cause not in challenger.cause_ids]:
        reason = f"den nuvarande modellen känner {', '.join(lost)}, den nya gör det inte"
        return Decision(False, reason, floor.figures, new)
    ours, theirs = shared(challenger, champion)
    n = len(ours.digests)
    if n < rule.min_texts:
        reason = (
            f"bara {n} gemensamma provtexter, minst {rule.min_texts} behövs för att jämföra med den nuvarande modellen"
        )
        return Decision(False, reason, {"texts": n}, new)
    judged = (*_compared(ours, theirs, rule, seed, called), *_behaviours(ours, theirs, rule, seed), *new)
    failures = [] if floor.passed else [floor.reason]
    failures += [j.sentence for j in judged if j.verdict in (WORSE, NOT_JUDGED) and j.sentence]
    told = [j.sentence for j in judged if j.verdict == NEW]
    better = f"inte sämre än den nuvarande modellen på {n} gemensamma provtexter"
    return Decision(not failures, "; ".join((failures or [better]) + told), _figures(ours, theirs, judged), judged)


def _floor(challenger: HeldOut, rule: GateRule, seed: int) -> tuple[Decision, Scores | None]:
    n = len(challenger.digests)
    if n < rule.min_texts:
        return Decision(False, f"bara {n} provtexter, minst {rule.min_texts} behövs", {"texts": n}), None
    decided = challenger.decided.astype(bool)
    scores = score(challenger.truth, decided.astype(float), decided, challenger.cause_ids, challenger.group, seed=seed)
    low = scores.macro_f1.low
    figures = {"texts": n, "macro_f1": scores.macro_f1.estimate, "macro_f1_low": low}
    wanted = f"{_number(rule.min_macro_f1)} krävs"
    return Decision(low >= rule.min_macro_f1, f"makro-F1 är minst {_number(low)}, {wanted}", figures), scores


def _new_causes(scores: Scores, called: Mapping[str, str], known: Sequence[str]) -> Iterator[Judgement]:
    nan = float("nan")
    for row in scores.causes.to_dict("records"):
        if row["cause"] not in known:
            figure = f"F1 {_number(row['f1'], 2)} ({_number(row['f1_low'], 2)}–{_number(row['f1_high'], 2)})"
            told = f"{called[row['cause']]} är en ny orsak, inte jämförd: {figure} på {row['n']} texter"
            told += ", för lågt om fler hör dit"  # the starter corpus counts as if none did
            own = (row["f1"], nan, nan, row["f1_low"], row["f1_high"], nan, nan)
            yield Judgement("cause", row["cause"], row["n"], *own, NEW, told)


def shared(challenger: HeldOut, champion: HeldOut) -> tuple[HeldOut, HeldOut]:
    """Both on the same texts and the causes that both know; labels and groups as the challenger has them."""
    place = {d: i for i, d in enumerate(champion.digests)}
    here = [i for i, d in enumerate(challenger.digests) if d in place]
    ours, theirs = challenger.select(here), champion.select([place[challenger.digests[i]] for i in here])
    both = tuple(c for c in challenger.cause_ids if c in champion.cause_ids)
    ours = _columns(ours, both)
    return ours, replace(_columns(theirs, both), truth=ours.truth, group=ours.group)


def _columns(held: HeldOut, causes: tuple[str, ...]) -> HeldOut:
    at = [held.cause_ids.index(cause) for cause in causes]
    arrays: dict[str, Any] = {name: getattr(held, name)[:, at] for name in ("truth", "decided", "probabilities")}
    return replace(held, cause_ids=causes, **arrays)


# --- one comparison after the other ------------------------------------------------------------------------------


def _compared(
    ours: HeldOut, theirs: HeldOut, rule: GateRule, seed: int, called: Mapping[str, str]
) -> Iterator[Judgement]:
    """Macro-F1, and F1 and calibration error of each cause."""
    weights, members = resampling(len(ours.digests), list(ours.group), seed)
    f1 = _drawn_f1(ours, weights, members) - _drawn_f1(theirs, weights, members)
    full = [f1_of(_parts(held).sum(axis=0)) for held in (ours, theirs)]
    macro = (float(full[0].mean()), float(full[1].mean()))
    n = len(ours.digests)
    yield _judgement("overall", "macro_f1", n, macro, f1.mean(axis=1), rule.margin, "makro-F1 kan vara {} sämre")
    for k, (cause, examples) in enumerate(zip(ours.cause_ids, ours.truth.sum(axis=0).tolist(), strict=True)):
        few = ""
        if examples < rule.min_cause_texts:
            few = f"bara {examples} gemensamma provtexter har orsaken, minst {rule.min_cause_texts} behövs"
        pair, worse = (float(full[0][k]), float(full[1][k])), f"{called[cause]} kan vara {{}} sämre i F1"
        found = _judgement("cause", cause, examples, pair, f1[:, k], rule.cause_margin, worse)
        yield replace(found, verdict=NOT_JUDGED, sentence=f"{called[cause]} är inte bedömd: {few}") if few else found
        gains, errors = _calibration(ours, theirs, k, weights, members)
        worse = f"sannolikheterna för {called[cause]} kan stämma {{}} sämre"
        found = _judgement("calibration", cause, examples, errors, gains, rule.calibration_margin, worse)
        yield replace(found, verdict=NOT_JUDGED, sentence="") if few else found


def _behaviours(ours: HeldOut, theirs: HeldOut, rule: GateRule, seed: int) -> Iterator[Judgement]:
    for kind, name in KINDS_SV.items():
        either = [g for g in {**ours.behaviours, **theirs.behaviours} if kind_of(g) == kind]
        both = [g for g in either if g in ours.behaviours and g in theirs.behaviours]
        if not either:
            continue
        passed = np.array([[ours.behaviours[g], theirs.behaviours[g]] for g in both], dtype=float).reshape(-1, 2)
        if len(both) < rule.min_groups:
            nan = float("nan")
            told = f"{name} är inte bedömt: bara {len(both)} gemensamma fall, minst {rule.min_groups} behövs"
            yield Judgement("behaviour", kind, len(both), nan, nan, nan, nan, nan, nan, nan, NOT_JUDGED, told)
            continue
        drawn = resampled_weights(len(both), N_RESAMPLES, seed) @ (passed[:, 0] - passed[:, 1]) / len(both)
        pair = (float(passed[:, 0].mean()), float(passed[:, 1].mean()))
        worse = f"{name} kan vara {{}} sämre"
        yield _judgement("behaviour", kind, len(both), pair, drawn, rule.behaviour_margin, worse)


def _judgement(
    part: str, name: str, n: int, pair: tuple[float, float], drawn: np.ndarray, margin: float, worse: str
) -> Judgement:
    low, bound, high = (float(q) for q in np.quantile(drawn, [0.025, 0.05, 0.975]))
    verdict, sentence = (PASSED, "") if bound >= -margin else (WORSE, worse.format(_number(-bound)))
    difference = pair[1] - pair[0] if part == "calibration" else pair[0] - pair[1]
    return Judgement(part, name, n, *pair, difference, low, high, bound, margin, verdict, sentence)


def _figures(ours: HeldOut, theirs: HeldOut, judged: Sequence[Judgement]) -> dict[str, float]:
    """The figures of a decision that go into one line; the judgements hold them all."""
    changed = (ours.decided != theirs.decided).any(axis=1)
    figures = {"texts": float(len(ours.digests)), "texts_changed": float(changed.sum())}
    for j in judged:
        name = {"overall": j.name, "behaviour": f"behaviour.{j.name}", "calibration": f"{j.name}.calibration"}
        start = f"{name.get(j.part, f'{j.name}.f1')}{'.' if j.part == 'behaviour' else '_'}"
        figures |= {f"{start}difference": j.difference, f"{start}difference_low": j.bound}
    return {name: round(value, 4) for name, value in figures.items() if np.isfinite(value)}


def _drawn_f1(held: HeldOut, weights: np.ndarray, members: sp.csr_matrix) -> np.ndarray:
    parts = _parts(held)
    drawn = (weights @ (members.T @ parts.reshape(len(parts), -1))).reshape(len(weights), len(held.cause_ids), 3)
    return f1_of(drawn)


def _parts(held: HeldOut) -> np.ndarray:
    truth, decided = held.truth.astype(bool), held.decided.astype(bool)
    return np.stack([truth & decided, ~truth & decided, truth & ~decided], axis=-1)


def _calibration(
    ours: HeldOut, theirs: HeldOut, k: int, weights: np.ndarray, members: sp.csr_matrix
) -> tuple[np.ndarray, tuple[float, float]]:
    """By how much the challenger's calibration error of a cause is lower in each resample, and both errors."""
    drawn, errors = [], []
    for held in (ours, theirs):
        truth, probabilities = ours.truth[:, k], held.probabilities[:, k].astype(float)
        bins = calibration_bins(probabilities)
        gaps = sp.coo_matrix((probabilities - truth, (np.arange(len(truth)), bins))).tocsr()
        sizes = weights @ np.asarray(members.sum(axis=0)).ravel()
        drawn.append(np.abs(weights @ (members.T @ gaps).toarray()).sum(axis=1) / sizes)
        errors.append(calibration_error(truth, probabilities))
    gain = drawn[1] - drawn[0]
    return gain - gain.mean() + errors[1] - errors[0], (errors[0], errors[1])


def macro_f1(held: HeldOut) -> float:
    """The mean of the causes' F1, 0 to 1."""
    return float(f1_of(_parts(held).sum(axis=0)).mean())


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}".replace(".", ",")
