"""FLOW: a registered version -> the gate -> champion, and back again.

The registry says who is champion; the champion's directory, which `label` uses, follows it. The disk is tried first,
then the registry is told, then the directory is put in place, and `settle_champion` carries through what died between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from nollclassify.champions import FORCED, PROMOTED, ROLLED_BACK, line
from nollclassify.errors import InputError, ModelError, OlderModelError, TrackingError
from nollclassify.evaluation import text_digest
from nollclassify.gate import Decision, GateRule, HeldOut, gate, shared
from nollclassify.model_store import StoredModel, copy_model, copying_model, load_model
from nollclassify.run_record import summary
from nollclassify.settings import Settings, load_settings
from nollclassify.taxonomy import Taxonomy
from nollclassify.tracking import CHAMPION, Registered, Tracking


@dataclass(frozen=True)
class Promotion:
    """A version that was judged by hand.

    Attributes:
        number: in the registry.
        decision: the gate's.
        promoted: whether it is champion now.
        reason: why, the person's reason first.
        names: id of each of its causes -> Swedish name.
        already: whether it was champion before; then the gate was not asked, and nothing was recorded.
    """

    number: str
    decision: Decision
    promoted: bool
    reason: str
    names: dict[str, str]
    already: bool = False


@dataclass(frozen=True)
class Rollback:
    """A champion that was taken back: the number of the version that is champion now, and of the one that was."""

    number: str
    before: str


def promote(version: str | int, reason: str = "", force: bool = False, settings: Settings | None = None) -> Promotion:
    """Ask the gate about a registered version, and make it champion where it passes.

    What the gate said of the present champion stays: asked again, it would hold it against itself.

    Args:
        version: the number in the registry.
        reason: a person's reason, recorded with the version; required with `force`.
        force: make it champion even where the gate refuses.
        settings: by default those of the working directory.

    Raises:
        TrackingError: there is no such version, or no store.
        ModelError: the version cannot be loaded.
        InputError: `force` without a reason.
    """
    if force and not reason:
        raise InputError("--force kräver --reason: skriv varför modellen ska gälla trots grinden.")
    settings = settings or load_settings()
    tracking = Tracking(settings)
    with tracking.alone():
        settle_champion(tracking)
        candidate = tracking.registered(str(version))
        names = {cause.id: cause.name_sv for cause in candidate.stored.taxonomy.causes}
        if tracking.version_of(CHAMPION) == candidate.number:
            told = _kept(tracking, candidate)
            return Promotion(candidate.number, Decision(True, told, {}), True, told, names, already=True)
        decision = _judge(tracking, candidate.stored)
        passed = decision.passed or force
        why = f"{reason} (grinden: {decision.reason})" if reason else decision.reason
        _apply(tracking, str(version), candidate.stored, decision, passed, why)
    return Promotion(str(version), decision, passed, why, names)


def _kept(tracking: Tracking, champion: Registered) -> str:
    """Leave the champion as it is, and say so; where its directory holds something else, it is put there again."""
    place = Path(tracking.settings.champion)
    try:
        if load_model(place).version == champion.stored.version:
            return "inget ändrades"
    except ModelError:
        pass
    copy_model(tracking.fetch(f"models:/{tracking.settings.registered_model}/{champion.number}"), place)
    return f"den lades tillbaka i {place}, som innehöll något annat"


def judge_training(tracking: Tracking, number: str, stored: StoredModel, texts: Sequence[str]) -> Decision:
    """Ask the gate about a training that was just registered, and make it champion where it passes.

    Args:
        tracking: the store that it is registered in.
        number: the version's.
        stored: the model.
        texts: those it was trained on; the champion is tried on those of them that are new to it.

    Raises:
        TrackingError: from the store.
    """
    # Of two trainings that end at once, the second is compared with the first.
    with tracking.alone():
        settle_champion(tracking)
        decision = _judge(tracking, stored, texts)
        _apply(tracking, number, stored, decision, decision.passed, decision.reason)
    return decision


def rollback(to: str | int | None = None, reason: str = "", settings: Settings | None = None) -> Rollback:
    """Make an earlier champion champion again; the gate is not asked, for it has been champion.

    Args:
        to: the number of an earlier champion; by default the one before the present one. Rollbacks in a row walk
            further back.
        reason: why; recorded with the version that is taken back.
        settings: by default those of the working directory.

    Raises:
        TrackingError: there is no earlier champion, or `to` has not been one.
        ModelError: the earlier champion cannot be loaded.
    """
    settings = settings or load_settings()
    tracking = Tracking(settings)
    with tracking.alone():
        settle_champion(tracking)
        number, before = _earlier(tracking, None if to is None else str(to))
        try:
            with copying_model(
                tracking.fetch(f"models:/{settings.registered_model}/{number}"), Path(settings.champion)
            ):
                tracking.crown(number, ROLLED_BACK, reason)
        except OlderModelError:
            raise ModelError(
                f"version {number}: modellen är gjord av en äldre nollclassify; "
                "ange en annan tidigare version med --to, eller kör `nollclassify train` igen."
            ) from None
    return Rollback(number, before)


def _earlier(tracking: Tracking, to: str | None) -> tuple[str, str]:
    """The version to go back to, and the present champion."""
    reigns = tracking.reigns()
    standing = line(reigns)
    if not standing:
        raise TrackingError(
            "ingen modell gäller ännu, så det finns inget att gå tillbaka från; kör `nollclassify train`."
        )
    if to is None:
        if len(standing) < 2:
            raise TrackingError(
                f"ingen modell har gällt före version {standing[-1]}, så det finns inget att gå tillbaka till; "
                "befordra en annan version med `nollclassify promote VERSION`."
            )
        return standing[-2], standing[-1]
    if to == standing[-1]:
        raise TrackingError(f"--to {to}: version {to} är redan gällande modell; ange en annan.")
    if to not in {reign.version for reign in reigns}:
        raise TrackingError(
            f"--to {to}: version {to} har aldrig varit gällande modell; pröva den med `nollclassify promote {to}`."
        )
    return to, standing[-1]


def settle_champion(tracking: Tracking) -> None:
    """Put the registry's champion in the champion's directory where that holds another registered model, or none.

    So that a promotion or a rollback that was killed half way is carried through: the registry is the truth. A model
    that it does not know was put in the directory by hand, and stays; so does what is there when the registry's
    champion cannot be loaded.
    """
    number, place = tracking.version_of(CHAMPION), Path(tracking.settings.champion)
    if number is None:
        return
    tracking.reigns()
    try:
        here = load_model(place).version
    except ModelError:
        if place.exists():
            return
        here = ""
    versions = tracking.model_versions()
    if here != versions.get(number) and (not here or here in versions.values()):
        try:
            copy_model(tracking.fetch(f"models:/{tracking.settings.registered_model}/{number}"), place)
        except (ModelError, TrackingError):
            return


def _apply(tracking: Tracking, number: str, stored: StoredModel, decision: Decision, passed: bool, reason: str) -> None:
    verdict = "passed" if decision.passed else "forced" if passed else "refused"
    told = summary(stored, f"Gate: {verdict}. {reason}.")
    if not passed:
        tracking.judge(number, decision, verdict, reason, told)
        return
    directory = tracking.fetch(f"models:/{tracking.settings.registered_model}/{number}")
    with copying_model(directory, Path(tracking.settings.champion)):
        tracking.judge(number, decision, verdict, reason, told)
        tracking.crown(number, PROMOTED if decision.passed else FORCED)


# --- what the gate is asked --------------------------------------------------------------------------------------


def _judge(tracking: Tracking, stored: StoredModel, texts: Sequence[str] = ()) -> Decision:
    rule = GateRule(min_texts=tracking.settings.min_gate_texts)
    number = tracking.version_of(CHAMPION)
    if number is None:
        return _gate(stored, None, rule)
    try:
        champion = _champion(tracking, number)
    except OlderModelError:
        # `label` refuses it too: there is nothing left to lose, and a team that has updated needs a model.
        told = f"den nuvarande modellen, version {number}, är gjord av en äldre nollclassify och kan inte jämföras"
        decision = _gate(stored, None, rule)
        return replace(decision, reason=f"{decision.reason}; {told}")
    except (ModelError, TrackingError):
        told = f"den nuvarande modellen, version {number}, går inte att läsa, så att inget kan jämföras"
        return Decision(False, f"{told}; befordra med --force och --reason om den nya ändå ska gälla", {})
    return _gate(stored, champion, rule, texts)


def _gate(stored: StoredModel, champion: StoredModel | None, rule: GateRule, texts: Sequence[str] = ()) -> Decision:
    names = {cause.id: cause.name_sv for one in (champion, stored) if one for cause in one.taxonomy.causes}
    theirs = _in_codes_of(stored.taxonomy, _on(texts, champion)) if champion else None
    return gate(stored.held_out, theirs, rule, names=names)


def _in_codes_of(taxonomy: Taxonomy, held: HeldOut) -> HeldOut:
    """Predictions of a model that may be older, in the codes of a taxonomy.

    Renamed causes have their new code and merged ones are one cause, as likely as its likeliest part. What was split or
    retired has nothing to be compared with, and is left out; a cause that is gone without an event stays.
    """
    today = [
        None if taxonomy.told_split(code) or taxonomy.is_retired(code) else taxonomy.find_cause(code) or code
        for code in held.cause_ids
    ]
    codes = tuple(dict.fromkeys(code for code in today if code))
    parts = [[k for k, code in enumerate(today) if code == wanted] for wanted in codes]

    def together(values: np.ndarray) -> np.ndarray:
        empty = np.zeros((len(values), 0), dtype=values.dtype)
        return np.column_stack([empty, *(values[:, columns].max(axis=1) for columns in parts)])

    truth, decided, probabilities = map(together, (held.truth, held.decided, held.probabilities))
    return replace(held, truth=truth, decided=decided, probabilities=probabilities, cause_ids=codes)


def _champion(tracking: Tracking, number: str) -> StoredModel:
    """The champion, from the registry or, where its copy there is spoilt, from the champion's directory."""
    try:
        return tracking.registered(number).stored
    except OlderModelError:
        raise
    except (ModelError, TrackingError):
        here = load_model(Path(tracking.settings.champion))
        if here.version != tracking.model_versions().get(number):
            raise
        return here


def _on(texts: Sequence[str], champion: StoredModel) -> HeldOut:
    """What the champion said of texts: held-out predictions of those it was trained on, fresh ones of the others.

    So neither model is judged on a text that it has learned from.
    """
    old, digests = champion.held_out, [text_digest(text) for text in texts]
    known = set(old.digests)
    new = [i for i, digest in enumerate(digests) if digest not in known]
    if not new:
        return old
    fresh = champion.model.probabilities([texts[i] for i in new])
    return replace(
        old,
        digests=(*old.digests, *(digests[i] for i in new)),
        truth=np.concatenate([old.truth, np.zeros(fresh.shape, dtype=int)]),  # labels are the challenger's
        decided=np.concatenate([old.decided, champion.model.decide(fresh).astype(int)]),
        probabilities=np.concatenate([old.probabilities, fresh.astype(np.float32)]),
        group=np.concatenate([old.group, np.zeros(len(new), dtype=int)]),
    )


def differences(challenger: StoredModel, champion: StoredModel) -> pd.DataFrame:
    """Where two models label the same held-out text differently, the largest change of probability first.

    Returns:
        One row a text and cause of which one model labels the cause and the other does not: `digest` (the text's
        name, as `text_digest` gives it), `cause`, `truth` (0 or 1, as the challenger was taught), `champion` and
        `challenger` (0 or 1: labelled), `p_champion` and `p_challenger` (0 to 1). Texts and causes that only one of
        them knows are left out.
    """
    ours, theirs = shared(challenger.held_out, _in_codes_of(challenger.taxonomy, champion.held_out))
    text, cause = np.nonzero(ours.decided != theirs.decided)
    table = pd.DataFrame(
        {
            "digest": np.array(ours.digests, dtype=object)[text],
            "cause": np.array(ours.cause_ids, dtype=object)[cause],
            "truth": ours.truth[text, cause],
            "champion": theirs.decided[text, cause],
            "challenger": ours.decided[text, cause],
            "p_champion": theirs.probabilities[text, cause],
            "p_challenger": ours.probabilities[text, cause],
        }
    )
    change = (table["p_challenger"] - table["p_champion"]).abs()
    return table.loc[change.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)
