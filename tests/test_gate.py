"""The gate: a challenger passes that is shown not to be worse, and nothing that is judged on too few."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from nollclassify.evaluation import calibration_error
from nollclassify.gate import GateRule, HeldOut, gate
from nollclassify.promotion import _in_codes_of
from nollclassify.taxonomy import parse_taxonomy
from tests.test_taxonomy_events import VERSION, cause, event

CAUSES = ("a", "b")


def held_out(error: float, seed: int = 1, n: int = 400, causes: tuple[str, ...] = CAUSES) -> HeldOut:
    truth = (np.random.default_rng(0).random((n, 2)) < 0.3).astype(int)
    wrong = np.random.default_rng(seed).random((n, 2)) < error
    decided = np.where(wrong, 1 - truth, truth)
    probabilities = np.where(decided == 1, 0.9, 0.1).astype(np.float32)
    return HeldOut(tuple(f"{i:032x}" for i in range(n)), truth, decided, probabilities, np.arange(n) % 20, causes)


def test_a_model_must_reach_the_floor_whatever_the_champion() -> None:
    assert gate(held_out(0.05), None, GateRule()).passed
    for champion in (None, held_out(0.45)):
        refused = gate(held_out(0.4), champion, GateRule())
        assert not refused.passed
        assert refused.reason.split("; ")[0].endswith("0,500 krävs")


def test_an_equal_model_passes_and_a_clearly_worse_one_does_not() -> None:
    assert gate(held_out(0.1), held_out(0.1), GateRule()).passed
    refused = gate(held_out(0.25), held_out(0.05), GateRule())
    assert not refused.passed
    assert "sämre" in refused.reason


def test_a_model_that_is_worse_in_one_cause_does_not_pass() -> None:
    good, spoilt = held_out(0.02), held_out(0.02)
    spoilt.decided[:, 1] = np.where(
        np.random.default_rng(3).random(400) < 0.3, 1 - spoilt.truth[:, 1], spoilt.truth[:, 1]
    )
    decision = gate(spoilt, good, GateRule(margin=1))
    assert not decision.passed
    assert decision.reason.startswith("b kan vara")


def test_too_few_shared_texts_never_pass() -> None:
    few, many = held_out(0.0, n=30), held_out(0.0)
    assert gate(few, None, GateRule()).reason == "bara 30 provtexter, minst 200 behövs"
    assert gate(many, few, GateRule()).reason.startswith("bara 30 gemensamma provtexter")


def test_causes_that_only_the_challenger_knows_are_not_held_against_it() -> None:
    whole = held_out(0.05)
    first = {name: getattr(whole, name)[:, :1] for name in ("truth", "decided", "probabilities")}
    old = replace(whole, **first, cause_ids=("a",))
    decision = gate(whole, old, GateRule())
    assert decision.passed
    assert "a.f1_difference_low" in decision.figures
    assert "b.f1_difference_low" not in decision.figures


def test_a_challenger_that_lost_a_cause_does_not_pass() -> None:
    decision = gate(held_out(0.05), held_out(0.05, causes=("a", "c")), GateRule())
    assert not decision.passed
    assert decision.reason == "den nuvarande modellen känner c, den nya gör det inte"


def test_a_model_that_is_better_on_average_and_worse_in_a_behaviour_does_not_pass() -> None:
    good = {f"pair-{i:03d}": i % 2 == 0 for i in range(100)}
    worse = {group: ok and i % 4 == 0 for i, (group, ok) in enumerate(good.items())}
    champion = replace(held_out(error=0.2), behaviours=good)
    decision = gate(replace(held_out(error=0.1), behaviours=worse), champion, GateRule())
    assert not decision.passed
    assert decision.reason.startswith("minimala par, båda rätt kan vara 0,")
    assert decision.figures["behaviour.pair.difference_low"] < -0.2
    assert gate(replace(held_out(error=0.1), behaviours=good), champion, GateRule()).passed


def test_a_behaviour_with_few_groups_is_not_judged_and_so_not_passed() -> None:
    same = {f"short-{i}": True for i in range(29)}
    decision = gate(replace(held_out(0.1), behaviours=same), replace(held_out(0.1), behaviours=same), GateRule())
    assert not decision.passed
    assert decision.reason == "högst sex ord är inte bedömt: bara 29 gemensamma fall, minst 30 behövs"
    more = same | {"short-29": True}
    assert gate(replace(held_out(0.1), behaviours=more), replace(held_out(0.1), behaviours=more), GateRule()).passed
    assert not gate(replace(held_out(0.1), behaviours=more), replace(held_out(0.1), behaviours=same), GateRule()).passed


def test_a_behaviour_that_is_of_neither_models_causes_is_left_out() -> None:
    assert gate(held_out(0.1), held_out(0.1), GateRule()).passed
    assert "behaviour" not in set(gate(held_out(0.1), held_out(0.1), GateRule()).table["part"])


def rare(n_examples: int) -> HeldOut:
    """Predictions without a fault, where few texts have cause b."""
    held = held_out(0.0)
    held.truth[:, 1] = np.arange(len(held.truth)) < n_examples
    return replace(held, decided=held.truth, probabilities=held.truth.astype(np.float32))


@pytest.mark.parametrize(("n_examples", "passed"), [(0, False), (29, False), (30, True)])
def test_a_cause_with_few_shared_texts_is_not_judged_and_so_not_passed(n_examples: int, passed: bool) -> None:
    decision = gate(rare(n_examples), rare(n_examples), GateRule(), names={"b": "Väntetid"})
    assert decision.passed is passed
    few = f"Väntetid är inte bedömd: bara {n_examples} gemensamma provtexter har orsaken, minst 30 behövs"
    assert (decision.reason == few) is not passed
    verdicts = decision.table.set_index(["part", "name"])["verdict"]
    assert verdicts["cause", "a"] == verdicts["calibration", "a"] == "passed"
    assert verdicts["cause", "b"] == verdicts["calibration", "b"] == ("passed" if passed else "not judged")


def test_probabilities_that_are_all_too_high_do_not_pass_though_every_label_is_the_same() -> None:
    champion = held_out(0.1, n=2000)
    shifted = np.clip(champion.probabilities + np.float32(0.08), 0, 1)
    decision = gate(replace(champion, probabilities=shifted), champion, GateRule(), names={"a": "A", "b": "B"})
    assert not decision.passed
    assert decision.reason.startswith("sannolikheterna för A kan stämma 0,0")
    assert decision.figures["texts_changed"] == decision.figures["macro_f1_difference"] == 0
    assert gate(champion, replace(champion, probabilities=shifted), GateRule()).passed
    row = decision.table.set_index(["part", "name"]).loc[("calibration", "a")]
    errors = [calibration_error(champion.truth[:, 0], p[:, 0]) for p in (shifted, champion.probabilities)]
    assert (row["challenger"], row["champion"]) == pytest.approx(errors, abs=1e-6)
    assert row["low"] < row["bound"] < row["difference"] < row["high"]
    assert row["difference"] == pytest.approx(errors[1] - errors[0], abs=1e-6)


def test_a_new_cause_is_told_with_its_own_figure_whatever_it_is() -> None:
    whole = held_out(0.1)
    old = replace(whole, **{name: getattr(whole, name)[:, :1] for name in ("truth", "decided", "probabilities")})
    old = replace(old, cause_ids=("a",))
    never = whole.decided.copy()
    never[:, 1] = 0
    for challenger, figure in ((whole, "F1 0,8"), (replace(whole, decided=never), "F1 0,00 (0,00–0,00)")):
        decision = gate(challenger, old, GateRule(min_macro_f1=0.3), names={"b": "Otrevlig personal"})
        assert decision.passed
        assert f"; Otrevlig personal är en ny orsak, inte jämförd: {figure}" in decision.reason
        assert decision.reason.endswith(f"på {whole.truth[:, 1].sum()} texter, för lågt om fler hör dit")
        (row,) = decision.table[decision.table["name"] == "b"].to_dict("records")
        assert row["verdict"] == "new"
        assert np.isnan(row["champion"])
        assert row["low"] <= row["challenger"] <= row["high"]


def test_every_failing_is_told() -> None:
    behaviours = {f"short-{i}": True for i in range(9)}
    champion = replace(held_out(0.02), behaviours=behaviours)
    reason = gate(
        replace(held_out(0.2), behaviours=behaviours), champion, GateRule(), names={"a": "A", "b": "B"}
    ).reason
    starts = ("makro-F1 kan vara 0,", "A kan vara 0,", "sannolikheterna för A kan", "B kan vara 0,")
    parts = reason.split("; ")
    assert all(any(part.startswith(start) for part in parts) for start in starts), parts
    assert parts[-1].startswith("högst sex ord är inte bedömt")


def test_texts_whose_labels_changed_are_counted_once() -> None:
    champion = held_out(0.1)
    challenger = replace(champion, decided=champion.decided.copy())
    challenger.decided[:3] = 1 - challenger.decided[:3]
    assert gate(challenger, champion, GateRule()).figures["texts_changed"] == 3


def test_the_gate_is_not_moved_by_the_order_of_the_texts() -> None:
    champion, challenger = held_out(0.1), held_out(0.12, seed=2)
    mixed = champion.select(np.random.default_rng(1).permutation(400).tolist())
    one, other = gate(challenger, champion, GateRule()), gate(challenger, mixed, GateRule())
    assert one.reason == other.reason
    assert one.figures == pytest.approx(other.figures)


def test_figures_of_twenty_causes_fit_in_a_tag() -> None:
    causes = tuple(f"a_cause_with_a_rather_long_name_{k:02d}" for k in range(20))
    truth = np.random.default_rng(0).random((600, 20)) < 0.1
    probabilities = np.where(truth, 0.9, 0.1).astype(np.float32)
    held = HeldOut(
        tuple(f"{i:032x}" for i in range(600)), truth.astype(int), truth.astype(int), probabilities,
        np.arange(600), causes,
    )  # fmt: skip
    decision = gate(held, held, GateRule())
    assert decision.passed
    assert len(decision.figures) > 80
    assert len(json.dumps(decision.figures)) < 8_000  # the least that any of MLflow's tags holds


def test_a_champion_of_before_the_causes_changed_is_compared_in_the_codes_of_today() -> None:
    living = "".join(cause(code) for code in ("c_new", "c_both", "c_part", "c_rest"))
    gone = "".join(cause(code, "retired") for code in ("c_old", "c_one", "c_two", "c_split"))
    events = (
        event("2021-01-01", "rename", ["c_old"], ["c_new"]),
        event("2021-02-01", "merge", ["c_one", "c_two"], ["c_both"]),
        event("2021-03-01", "split", ["c_split"], ["c_part", "c_rest"]),
    )
    taxonomy = parse_taxonomy("".join([VERSION, living, gone, *events]))
    codes = ("c_old", "c_one", "c_two", "c_split", "c_unheard_of")
    chance = np.random.default_rng(0)
    truth, decided = (chance.integers(0, 2, (40, len(codes))) for _ in range(2))
    names = tuple(f"text-{n}" for n in range(40))
    before = HeldOut(names, truth, decided, chance.random(truth.shape), np.arange(40), codes)
    today = _in_codes_of(taxonomy, before)
    assert today.cause_ids == ("c_new", "c_both", "c_unheard_of")
    assert (today.decided[:, 0] == before.decided[:, 0]).all()
    assert (today.decided[:, 1] == before.decided[:, 1:3].any(axis=1)).all()
    assert (today.truth[:, 1] == before.truth[:, 1:3].any(axis=1)).all()
    assert (today.probabilities[:, 1] == before.probabilities[:, 1:3].max(axis=1)).all()
