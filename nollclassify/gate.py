"""The quality gate: held-out predictions that are kept with a model, and whether a challenger may become champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from nollclassify.behaviours import KINDS_SV, kind_of
from nollclassify.estimation import resampled_weights
from nollclassify.evaluation import N_RESAMPLES, f1_of, resampling, score


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
        min_cause_texts: a cause with fewer examples is not judged alone.
        min_macro_f1: what the lower end of the interval of macro-F1 must reach.
        margin, cause_margin: how much worse than the champion the one-sided 95 % bound may be, overall and per cause.
        behaviour_margin: the same for the share of groups that pass, for each kind of behaviour.
        min_groups: a kind of behaviour with fewer groups is not judged.
    """

    min_texts: int = 200
    min_cause_texts: int = 30
    min_macro_f1: float = 0.5
    margin: float = 0.02
    cause_margin: float = 0.05
    behaviour_margin: float = 0.1
    min_groups: int = 30


@dataclass(frozen=True)
class Decision:
    """The gate's answer, its reason in a Swedish sentence, and the figures that it rests on."""

    passed: bool
    reason: str
    figures: dict[str, float]


def gate(challenger: HeldOut, champion: HeldOut | None, rule: GateRule, seed: int = 0) -> Decision:
    """Whether a challenger may become champion, on the texts that both were tested on.

    The lower end of the challenger's macro-F1 must reach `rule.min_macro_f1`. Where there is a champion, the
    difference is resampled in pairs, whole groups at a time, and its one-sided 95 % lower bound must stay above
    `-rule.margin`, for every cause that is frequent enough above `-rule.cause_margin`, and for every kind of
    behaviour above `-rule.behaviour_margin`.
    """
    floor = _floor(challenger, rule, seed)
    if champion is None or not floor.passed:
        return floor
    if lost := [cause for cause in champion.cause_ids if cause not in challenger.cause_ids]:
        return Decision(False, f"den nuvarande modellen känner {', '.join(lost)}, den nya gör det inte", {})
    ours, theirs = _shared(challenger, champion)
    n = len(ours.digests)
    if n < rule.min_texts:
        reason = (
            f"bara {n} gemensamma provtexter, minst {rule.min_texts} behövs för att jämföra med den nuvarande modellen"
        )
        return Decision(False, reason, {"texts": n})
    return _paired_gate(ours, theirs, rule, seed)


def _floor(challenger: HeldOut, rule: GateRule, seed: int) -> Decision:
    n = len(challenger.digests)
    if n < rule.min_texts:
        return Decision(False, f"bara {n} provtexter, minst {rule.min_texts} behövs", {"texts": n})
    decided = challenger.decided.astype(bool)
    macro = score(challenger.truth, decided.astype(float), decided, challenger.cause_ids, challenger.group, seed=seed)
    low = macro.macro_f1.low
    figures = {"texts": n, "macro_f1": macro.macro_f1.estimate, "macro_f1_low": low}
    wanted = f"{_number(rule.min_macro_f1)} krävs"
    return Decision(low >= rule.min_macro_f1, f"makro-F1 är minst {_number(low)}, {wanted}", figures)


def _shared(challenger: HeldOut, champion: HeldOut) -> tuple[HeldOut, HeldOut]:
    """Both on the same texts and the causes that both know; labels as the challenger has them."""
    place = {d: i for i, d in enumerate(champion.digests)}
    here = [i for i, d in enumerate(challenger.digests) if d in place]
    ours, theirs = challenger.select(here), champion.select([place[challenger.digests[i]] for i in here])
    both = [c for c in challenger.cause_ids if c in champion.cause_ids]
    mine = [challenger.cause_ids.index(c) for c in both]
    other = [champion.cause_ids.index(c) for c in both]
    truth = ours.truth[:, mine]
    return (
        _columns(replace(ours, cause_ids=tuple(both)), truth, mine),
        _columns(replace(theirs, group=ours.group, cause_ids=tuple(both)), truth, other),
    )


def _columns(held: HeldOut, truth: np.ndarray, at: list[int]) -> HeldOut:
    return replace(held, truth=truth, decided=held.decided[:, at], probabilities=held.probabilities[:, at])


def _paired_gate(ours: HeldOut, theirs: HeldOut, rule: GateRule, seed: int) -> Decision:
    weights, members = resampling(len(ours.digests), list(ours.group), seed)
    differences = _drawn_f1(ours, weights, members) - _drawn_f1(theirs, weights, members)
    overall = differences.mean(axis=1)
    figures = {"texts": float(len(ours.digests)), "macro_f1_difference": _full_f1(ours) - _full_f1(theirs)}
    figures["macro_f1_difference_low"] = float(np.quantile(overall, 0.05))
    failures = []
    if figures["macro_f1_difference_low"] < -rule.margin:
        failures.append(f"makro-F1 kan vara {_number(-figures['macro_f1_difference_low'])} sämre")
    for k, cause in enumerate(ours.cause_ids):
        low = float(np.quantile(differences[:, k], 0.05))
        figures[f"{cause}.f1_difference_low"] = low
        if ours.truth[:, k].sum() >= rule.min_cause_texts and low < -rule.cause_margin:
            failures.append(f"{cause} kan vara {_number(-low)} sämre")
    for kind, low in _behaviour_lows(ours, theirs, rule, seed).items():
        figures[f"behaviour.{kind}.difference_low"] = low
        if low < -rule.behaviour_margin:
            failures.append(f"{KINDS_SV[kind]} kan vara {_number(-low)} sämre")
    better = f"inte sämre än den nuvarande modellen på {len(ours.digests)} gemensamma provtexter"
    return Decision(not failures, "; ".join(failures) or better, figures)


def _behaviour_lows(ours: HeldOut, theirs: HeldOut, rule: GateRule, seed: int) -> dict[str, float]:
    """The one-sided 95 % bound of the difference in passed groups, for each kind with enough groups in common."""
    lows = {}
    for kind in KINDS_SV:
        both = [g for g in ours.behaviours if g in theirs.behaviours and kind_of(g) == kind]
        if len(both) >= rule.min_groups:
            gain = np.array([float(ours.behaviours[g]) - float(theirs.behaviours[g]) for g in both])
            drawn = resampled_weights(len(both), N_RESAMPLES, seed) @ gain / len(both)
            lows[kind] = float(np.quantile(drawn, 0.05))
    return lows


def _drawn_f1(held: HeldOut, weights: np.ndarray, members: sp.csr_matrix) -> np.ndarray:
    parts = _parts(held)
    drawn = (weights @ (members.T @ parts.reshape(len(parts), -1))).reshape(len(weights), len(held.cause_ids), 3)
    return f1_of(drawn)


def _parts(held: HeldOut) -> np.ndarray:
    truth, decided = held.truth.astype(bool), held.decided.astype(bool)
    return np.stack([truth & decided, ~truth & decided, truth & ~decided], axis=-1)


def _full_f1(held: HeldOut) -> float:
    return float(f1_of(_parts(held).sum(axis=0)).mean())


def _number(value: float) -> str:
    return f"{value:.3f}".replace(".", ",")
