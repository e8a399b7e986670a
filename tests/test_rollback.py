"""Going back to an earlier champion: the same labels to the last byte, and a registry that tells who was when."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nollclassify
from nollclassify import cli
from nollclassify.champions import (
    FORCED,
    FOUND,
    PROMOTED,
    ROLLED_BACK,
    Reign,
    as_table,
    crowned,
    dump,
    line,
    parse,
    settled,
)
from nollclassify.cli.models import print_training
from nollclassify.errors import ModelError, TrackingError
from nollclassify.gate import Decision
from nollclassify.model_store import MANIFEST, StoredModel, load_model, read_manifest, save_model
from nollclassify.promotion import differences, promote, rollback, settle_champion
from nollclassify.tracking import CHAMPION, REIGNS, Tracking
from tests.conftest import SMALL, Workplace, working_in

PLACE = Path(SMALL.champion)


@pytest.fixture(scope="module")
def two_versions(trained: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained workplace with a second version, which labels otherwise, and a third; version 1 is champion."""
    place = Path(shutil.copytree(trained.directory, tmp_path_factory.mktemp("versions") / "place"))
    with working_in(place):
        tracking = Tracking(SMALL)
        for n in (2, 3):
            tracking.record(eager(trained.training.stored, n, Path(f"models/{n}")), {}, {}, {})
    return place


def eager(stored: StoredModel, n: int, directory: Path) -> StoredModel:
    """The same model with lower thresholds: it labels more."""
    model = replace(stored.model, thresholds=stored.model.thresholds / (2 * n))
    decided = model.decide(stored.held_out.probabilities).astype(int)
    return save_model(directory, model, stored.taxonomy, replace(stored.held_out, decided=decided), {})


@pytest.fixture
def place(two_versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copied = Path(shutil.copytree(two_versions, tmp_path / "place"))
    monkeypatch.chdir(copied)
    return copied


def forced(number: int) -> None:
    assert promote(number, reason="prov", force=True, settings=SMALL).promoted


def champion() -> str:
    """The champion's number, on which registry and folder agree."""
    tracking = Tracking(SMALL)
    number = str(tracking.version_of(CHAMPION))
    assert load_model(PLACE).version == tracking.model_versions()[number]
    return number


def labels(name: str, cases: Path) -> bytes:
    nollclassify.label(cases, output=f"{name}.csv", settings=SMALL)
    return Path(f"{name}.csv").read_bytes()


def test_after_a_rollback_labels_are_the_same_to_the_last_byte(place: Path, trained: Workplace) -> None:
    before, kept = labels("before", trained.cases), {p.name: p.read_bytes() for p in PLACE.iterdir()}
    forced(2)
    assert labels("between", trained.cases) != before
    assert rollback(settings=SMALL).number == champion() == "1"
    assert labels("after", trained.cases) == before
    assert {p.name: p.read_bytes() for p in PLACE.iterdir()} == kept


def test_rollbacks_in_a_row_walk_back_and_a_promotion_undoes_one(place: Path) -> None:
    forced(2)
    forced(3)
    assert [rollback(settings=SMALL).number for _ in range(2)] == ["2", "1"]
    with pytest.raises(TrackingError) as caught:
        rollback(settings=SMALL)
    assert str(caught.value) == (
        "ingen modell har gällt före version 1, så det finns inget att gå tillbaka till; "
        "befordra en annan version med `nollclassify promote VERSION`."
    )
    forced(3)
    assert (champion(), rollback(settings=SMALL).number, champion()) == ("3", "1", "1")


def test_a_rollback_to_a_named_version_goes_only_to_one_that_was_champion(place: Path) -> None:
    forced(2)
    forced(1)
    assert vars(rollback(to=2, settings=SMALL)) == {"number": "2", "before": "1"}
    with pytest.raises(TrackingError, match=r"^--to 2: version 2 är redan gällande modell; ange en annan\.$"):
        rollback(to=2, settings=SMALL)
    with pytest.raises(TrackingError, match=r"version 3 har aldrig varit gällande modell; pröva den med `nollclassify"):
        rollback(to=3, settings=SMALL)
    assert champion() == "2"


def test_the_registry_tells_who_was_champion_from_when_till_when(place: Path) -> None:
    forced(2)
    rollback(reason="för många falska väntetider", settings=SMALL)
    tracking = Tracking(SMALL)
    assert [(r.version, r.how, r.begun) for r in tracking.reigns()] == [
        ("1", PROMOTED, True),
        ("2", FORCED, True),
        ("1", ROLLED_BACK, True),
    ]
    one, two = (tracking.client.get_model_version("small", n).tags for n in ("1", "2"))
    assert (two["gate"], two["rollback_reason"]) == ("forced", "för många falska väntetider")
    assert two["champion_since"] <= two["champion_until"] == one["champion_since"]
    assert "champion_until" not in one
    page = tracking.client.get_registered_model("small").description
    assert page.endswith(as_table(tracking.reigns()))
    assert "rolled back to" in page


def test_the_reason_of_an_earlier_rollback_is_not_told_of_a_later_one(place: Path) -> None:
    def reasons() -> list[str | None]:
        return [Tracking(SMALL).client.get_model_version("small", n).tags.get("rollback_reason") for n in ("1", "2")]

    forced(2)
    rollback(reason="provar | igen", settings=SMALL)
    assert reasons() == [None, "provar | igen"]
    rollback(to=2, settings=SMALL)
    assert reasons() == [None, None]
    rollback(to=1, settings=SMALL)
    assert reasons() == [None, None]
    rows = Tracking(SMALL).client.get_registered_model("small").description.splitlines()[-5:]
    assert [row.split("|")[-2].strip() for row in rows] == ["", "", "provar / igen", "", ""]


def test_a_store_that_knows_of_no_earlier_champion_has_none(place: Path) -> None:
    forced(2)
    Tracking(SMALL).client.delete_registered_model_tag("small", REIGNS)
    with pytest.raises(TrackingError, match="ingen modell har gällt före version 2"):
        rollback(settings=SMALL)
    assert [(r.version, r.how) for r in Tracking(SMALL).reigns()] == [("2", FOUND)]


def test_an_earlier_champion_of_an_older_format_is_named(place: Path) -> None:
    forced(2)
    folder = Tracking(SMALL).fetch("models:/small/1")
    (folder / MANIFEST).write_text(json.dumps(read_manifest(folder) | {"format": 3}))
    with pytest.raises(ModelError, match=r"^version 1: modellen är gjord av en äldre nollclassify; ange en annan"):
        rollback(settings=SMALL)
    assert champion() == "2"


# --- killed in the midst -----------------------------------------------------------------------------------------


class Killed(BaseException):
    """Nobody catches it, as nobody catches SIGKILL."""


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> bool:
    """Let what is done die before its `step`-th writing to registry or champion's folder; whether it did."""
    count = 0

    def dying(write: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*arguments: object, **named: object) -> object:
            nonlocal count
            count += 1
            if count > step:
                raise Killed
            return write(*arguments, **named)

        return wrapped

    with monkeypatch.context() as patch:
        for name in ("set_registered_model_tag", "set_registered_model_alias", "set_model_version_tag",
                     "delete_model_version_tag", "update_registered_model"):  # fmt: skip
            client = type(Tracking(SMALL).client)
            patch.setattr(client, name, dying(getattr(client, name)))
        patch.setattr(Path, "rename", dying(Path.rename))
        try:
            act()
        except Killed:
            return True
    return False


def test_a_rollback_killed_at_any_step_is_carried_through_or_undone(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced(2)
    ends = []
    for step in range(100):
        died = killed_at(step, monkeypatch, lambda: rollback(settings=SMALL))
        settle_champion(Tracking(SMALL))
        ends.append(champion())
        standing = line(Tracking(SMALL).reigns())
        assert standing[-1] == ends[-1]
        assert standing == (["1", "2"] if ends[-1] == "2" else ["1"])
        if not died:
            break
        if ends[-1] == "1":
            forced(2)
    assert ends[-1] == "1"
    assert {"1", "2"} == set(ends)
    assert len(ends) >= 6


# --- the list itself ---------------------------------------------------------------------------------------------

DEEDS = st.lists(st.tuples(st.sampled_from([PROMOTED, ROLLED_BACK]), st.integers(1, 4)), max_size=30)


@given(DEEDS)
def test_a_rollback_goes_back_to_what_was_before_the_last_promotion(deeds: list[tuple[str, int]]) -> None:
    stack, reigns = [], ()
    for how, number in deeds:
        if how == ROLLED_BACK:
            if len(stack) < 2:
                continue
            stack.pop()
            number = int(stack[-1])
        elif stack[-1:] != [str(number)]:
            stack.append(str(number))
        reigns = settled(crowned(reigns, str(number), how, "2026-11-22T14:00:00+00:00"), str(number), "")
        assert line(reigns) == stack
    assert parse(dump(reigns)) == reigns


def test_of_very_many_champions_the_oldest_are_left_out_of_the_tag() -> None:
    reigns = [Reign(str(n), "2026-11-22T14:00:00+00:00", FORCED) for n in range(500)]
    assert len(dump(reigns)) <= 5_000
    assert 40 < len(parse(dump(reigns))) < 500
    assert parse(dump(reigns))[-1] == reigns[-1]
    long = crowned(reigns, "1", ROLLED_BACK, "2026-11-22T14:00:00+00:00", "en\nå " * 5_000)
    assert len(parse(dump(long))[-1].why) <= 100
    assert len(parse(dump(long))) > 20


def test_a_list_without_reasons_is_read_too() -> None:
    assert parse('[["1", "2026-11-22T14:00:00+00:00", "promoted", true]]') == (
        Reign("1", "2026-11-22T14:00:00+00:00", PROMOTED),
    )


@pytest.mark.parametrize("spoilt", [None, "", "{", "[1]", "null", '[["1"]]', "7"])
def test_a_list_that_somebody_spoilt_is_an_empty_one(spoilt: str | None) -> None:
    assert parse(spoilt) == ()


# --- a champion that cannot be compared --------------------------------------------------------------------------


def test_a_champion_of_an_older_format_is_replaced_as_if_there_were_none(place: Path) -> None:
    for folder in (Tracking(SMALL).fetch("models:/small/1"), PLACE):
        (folder / MANIFEST).write_text(json.dumps(json.loads((folder / MANIFEST).read_text()) | {"format": 3}))
    done = promote(2, settings=SMALL)
    told = "den nuvarande modellen, version 1, är gjord av en äldre nollclassify och kan inte jämföras"
    assert done.reason.endswith(f"krävs; {told}")
    assert done.promoted is done.decision.passed is (done.decision.figures["macro_f1_low"] >= 0.5)
    forced(2)
    assert champion() == "2"


def test_a_damaged_champion_is_read_from_the_champions_folder_or_else_refuses_with_the_way_on(place: Path) -> None:
    spoilt = Tracking(SMALL).fetch("models:/small/1") / "arrays.npz"
    spoilt.write_bytes(spoilt.read_bytes()[:-1])
    assert "texts_changed" in promote(2, settings=SMALL).decision.figures
    (PLACE / "arrays.npz").write_bytes(b"")
    done = promote(2, settings=SMALL)
    assert not done.promoted
    assert done.reason == (
        "den nuvarande modellen, version 1, går inte att läsa, så att inget kan jämföras; "
        "befordra med --force och --reason om den nya ändå ska gälla"
    )
    forced(2)
    assert champion() == "2"


def test_what_the_gate_said_is_an_artefact_of_the_run_and_in_the_versions_tags(place: Path) -> None:
    done = promote(2, settings=SMALL)
    tracking = Tracking(SMALL)
    version = tracking.client.get_model_version("small", "2")
    assert json.loads(version.tags["gate_figures"]) == done.decision.figures
    assert version.tags["gate"] == ("passed" if done.promoted else "refused")
    assert version.tags["gate_reason"] == done.reason
    assert version.description.endswith(f"Gate: {version.tags['gate']}. {done.reason}.")
    folder = Path(tracking.client.download_artifacts(version.run_id, ""))
    whole = json.loads((folder / "gate.json").read_text("utf-8"))
    assert [row["verdict"] for row in whole["table"]] == done.decision.table["verdict"].tolist()
    page = (folder / "gate.html").read_text("utf-8")
    assert f"<b>{version.tags['gate']}</b>: {done.reason}" in page
    assert page.count("<tr class=") == len(done.decision.table) > 10


def test_promoting_the_champion_again_keeps_what_the_gate_said_of_it(call) -> None:
    def told() -> tuple[object, ...]:
        tracking = Tracking(SMALL)
        version = tracking.client.get_model_version("small", "2")
        folder = Path(tracking.client.download_artifacts(version.run_id, ""))
        return version.tags, version.description, tracking.reigns(), (folder / "gate.json").read_text("utf-8")

    forced(2)
    before = told()
    kept = (0, "Version 2 är redan gällande modell; inget ändrades.\n", "")
    assert call("promote", "2") == call("promote", "2", "--force", "--reason", "igen") == kept
    assert told() == before
    (PLACE / "arrays.npz").write_bytes(b"")
    again = "den lades tillbaka i models/champion, som innehöll något annat"
    assert call("promote", "2") == (0, f"Version 2 är redan gällande modell; {again}.\n", "")
    assert champion() == "2"
    assert told() == before


# --- differences -------------------------------------------------------------------------------------------------


def test_differences_are_the_texts_and_causes_that_are_labelled_otherwise(place: Path, stored: StoredModel) -> None:
    challenger = load_model(Path("models/2"))
    table = differences(challenger, stored)
    held = stored.held_out
    at = {digest: i for i, digest in enumerate(held.digests)}
    assert len(table) == (challenger.held_out.decided != held.decided).sum() > 0
    for row in table.to_dict("records"):
        i, k = at[row["digest"]], held.cause_ids.index(row["cause"])
        assert (row["truth"], row["champion"]) == (held.truth[i, k], held.decided[i, k])
        assert row["challenger"] == 1 - row["champion"]
        assert row["p_champion"] == held.probabilities[i, k]
    other = replace(challenger, held_out=replace(challenger.held_out, probabilities=1 - held.probabilities))
    moved = differences(other, stored)
    assert (np.diff((moved["p_challenger"] - moved["p_champion"]).abs()) <= 1e-6).all()
    assert differences(stored, stored).empty


# --- the command line --------------------------------------------------------------------------------------------


@pytest.fixture
def call(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command line in this process: exit code, output, errors without the steps."""
    lines = [f"min_gate_texts = {SMALL.min_gate_texts}", 'experiment = "test"', 'registered_model = "small"']
    (place / "nollclassify.toml").write_text("\n".join(lines), encoding="utf-8")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nollclassify", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, "\n".join(x for x in err.splitlines() if not x.startswith("…"))

    return run


def test_a_training_that_replaces_a_champion_says_that_earlier_months_are_to_be_labelled_anew(
    trained: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    said, passed = "märk de andra på nytt", Decision(True, "prov", {})
    for number, decision, told in (
        ("1", passed, False),
        ("2", passed, True),
        ("2", replace(passed, passed=False), False),
    ):
        print_training(replace(trained.training, number=number, decision=decision))
        assert (said in capsys.readouterr().out) is told


def test_promote_shows_what_changes_and_rollback_says_what_holds_again(call) -> None:
    code, out, _ = call("promote", "2", "--force", "--reason", "prov")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "F1 mot den gällande modellen, per orsak (95 % intervall):"
    assert any(x.startswith("  Väntetid: -0,") and " till " in x and x.endswith(" texter") for x in lines), out
    assert any(x.endswith(" gemensamma provtexter får andra orsaker.") and not x.startswith("0 av") for x in lines)
    assert lines[-2].startswith("Version 2 är nu gällande modell (champion): prov (grinden: ")
    assert lines[-1].endswith("märk de andra på nytt med nollclassify label FIL --force, där FIL är månadens egen fil.")
    code, out, _ = call("rollback", "--reason", "fel")
    assert (code, out.splitlines()) == (
        0, ["Version 1 är åter gällande modell (champion), i stället för version 2.", lines[-1]],
    )  # fmt: skip
    code, out, err = call("rollback")
    assert (code, out) == (7, "")
    assert err.startswith("Fel: ingen modell har gällt före version 1, så det finns inget att gå tillbaka till; ")
