"""The label contract and the settings: read from TOML, refused in one sentence, and files replaced whole."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nollclassify.atomic import replacing, write_text
from nollclassify.errors import InputError, ModelError, NollclassifyError, SettingsError, TrackingError
from nollclassify.settings import Settings, load_settings
from nollclassify.taxonomy import OTHER, Taxonomy, load_taxonomy, parse_taxonomy

CAUSE = '[[causes]]\nid = "late"\nname_sv = "Sen"\nname_en = "Late"\ndefinition_sv = "Kom sent."\n'
SECOND = CAUSE.replace("late", "lost").replace("Sen", "Borta").replace("Late", "Lost")
PRODUCT = '[[products]]\nid = "app"\nname_sv = "Appen"\n'
VERSION = 'version = "1"\n'


# --- taxonomy ----------------------------------------------------------------------------------------------------


def test_the_taxonomy_of_the_package_has_five_causes_and_can_be_read_again(taxonomy: Taxonomy) -> None:
    names = ["Faktura före leverans", "Inställt evenemang eller resa", "Kampanjkritik", "Namnförväxling", "Väntetid"]
    assert [cause.name_sv for cause in taxonomy.causes] == names
    assert parse_taxonomy(taxonomy.source) == taxonomy
    assert all(c.belongs and c.excludes and c.examples and c.counter_examples for c in taxonomy.causes)


@given(st.sampled_from(["id", "name_sv", "name_en"]), st.booleans(), st.integers(0, 4))
def test_a_cause_is_found_by_id_and_by_either_name_in_any_case(field: str, upper: bool, place: int) -> None:
    contract = load_taxonomy()
    cause = contract.causes[place]
    written = f"  {getattr(cause, field)} ".replace(" ", "  ")
    assert contract.find_cause(written.upper() if upper else written) == cause.id
    assert contract.cause(cause.id) is cause


@pytest.mark.parametrize("written", ["Övrigt", "ÖVRIGT", "other", "ingen"])
def test_other_has_several_spellings(written: str, taxonomy: Taxonomy) -> None:
    assert taxonomy.find_cause(written) == OTHER


def test_an_unknown_cause_is_none_and_an_unknown_id_a_key_error(taxonomy: Taxonomy) -> None:
    assert taxonomy.find_cause("nyckfullhet") is None
    with pytest.raises(KeyError):
        taxonomy.cause("nyckfullhet")


def test_a_renamed_product_keeps_its_id_and_bears_the_name_of_its_day(taxonomy: Taxonomy) -> None:
    before, after = date(2019, 4, 30), date(2019, 5, 1)
    assert taxonomy.find_product("Klarna Konto", before) == "part_payment_account"
    assert taxonomy.find_product("klarna konto", after) == "part_payment_account"
    assert taxonomy.product_name("part_payment_account", before) == "Klarna konto"
    assert taxonomy.product_name("part_payment_account", after) == "Delbetalningskonto"
    assert taxonomy.product_name("part_payment_account") == "Delbetalningskonto"
    assert taxonomy.find_product("hatt") is None


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        (CAUSE, 'version saknas; skriv till exempel version = "2026.1" överst.'),
        ("version = 1\n", 'version saknas; skriv till exempel version = "2026.1" överst.'),
        (VERSION, "inga orsaker; lägg till minst ett stycke [[causes]]."),
        (VERSION + 'causes = ["late"]', "skriv varje post i causes som ett eget stycke med rubriken [[causes]]."),
        (VERSION + CAUSE + CAUSE, "orsaken late står två gånger; ta bort den ena."),
        (
            VERSION + CAUSE + SECOND.replace("Borta", "SEN"),
            "orsaken lost delar namnet 'sen' med en annan; byt det ena.",
        ),
        (VERSION + CAUSE.replace("Sen", "Övrigt"), "orsaken late delar namnet 'övrigt' med en annan; byt det ena."),
        (
            VERSION + CAUSE.replace('"late"', '"Sen leverans"'),
            "orsakens id 'Sen leverans' duger inte; små bokstäver, siffror och understreck.",
        ),
        (
            VERSION + CAUSE.replace('"late"', '"other"'),
            "orsakens id 'other' duger inte; små bokstäver, siffror och understreck.",
        ),
        (VERSION + '[[causes]]\nid = "late"\n', "Cause late: definition_sv, name_en, name_sv saknas; fyll i."),
        (VERSION + CAUSE + '[[products]]\nname_sv = "Appen"\n', "Product (utan id): id saknas; fyll i."),
        (
            VERSION + CAUSE + PRODUCT + 'alias = ["app"]\n',
            "Product app: okänt fält alias; tillåtna är id, name_sv, aliases, valid_from, valid_until.",
        ),
        *(
            (VERSION + CAUSE + PRODUCT + f"{line}\n", f"Product app: fältet {line.split()[0]} har fel slags värde;")
            for line in (
                'aliases = "app"',
                "aliases = [1]",
                'valid_from = "2020-03-14"',
                "valid_from = 2020-03-14T10:15:00",
            )
        ),
        (VERSION + CAUSE.replace('"Sen"', '" "'), "Cause late: fältet name_sv har fel slags värde;"),
        ("version = ", "filen är inte giltig TOML ("),
    ],
)
def test_a_taxonomy_with_a_fault_is_refused(source: str, fault: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_taxonomy(source, "egen.toml")
    assert str(caught.value).startswith(f"egen.toml: {fault}")
    assert str(caught.value).endswith(".")


def test_a_taxonomy_file_is_read_with_or_without_a_bom(tmp_path: Path) -> None:
    source = VERSION + CAUSE + SECOND + PRODUCT + "valid_until = 2020-03-14\n"
    (tmp_path / "egen.toml").write_text(source, encoding="utf-8-sig")
    read = load_taxonomy(tmp_path / "egen.toml")
    assert read == parse_taxonomy(source)
    assert read.cause_ids == ("late", "lost")
    assert read.products[0].valid_until == date(2020, 3, 14)


def test_a_taxonomy_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    missing, foreign = tmp_path / "a.toml", tmp_path / "b.toml"
    foreign.write_bytes('version = "å"'.encode("cp1252"))
    with pytest.raises(SettingsError) as caught:
        load_taxonomy(missing)
    assert str(caught.value) == f"{missing}: taxonomifilen går inte att läsa; ange en fil som finns."
    with pytest.raises(SettingsError) as caught:
        load_taxonomy(foreign)
    assert str(caught.value) == f"{foreign}: taxonomifilen är inte UTF-8; spara den som UTF-8."


# --- settings ----------------------------------------------------------------------------------------------------


def test_without_a_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings() == Settings()


def test_the_file_of_the_working_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nollclassify.toml").write_text('review_below = 1\ntaxonomy = "å.toml"\n', encoding="utf-8-sig")
    assert load_settings() == Settings(review_below=1, taxonomy="å.toml")


def test_a_named_file_that_is_missing_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "a.toml", tmp_path):
        with pytest.raises(SettingsError) as caught:
            load_settings(path)
        assert str(caught.value) == f"{path}: filen finns inte; ange en inställningsfil som finns."


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("tröskel = 0.7", "filen är inte giltig TOML ("),
        ("threshold = 0.7", f"okänd inställning threshold; tillåtna är {', '.join(f.name for f in fields(Settings))}."),
        ('review_below = "0.7"', "review_below ska vara av typen float; rätta värdet och försök igen."),
        ("review_below = true", "review_below ska vara av typen float; rätta värdet och försök igen."),
        ("min_cell = 2.5", "min_cell ska vara av typen int; rätta värdet och försök igen."),
        ("champion = 1", "champion ska vara av typen str; rätta värdet och försök igen."),
        ("review_below = 70", "review_below ska ligga mellan 0 och 1; rätta värdet."),
        ("review_below = nan", "review_below ska ligga mellan 0 och 1; rätta värdet."),
        ("min_cell = 0", "min_cell ska ligga mellan 1 och 1000000; rätta värdet."),
        ("own_text_weight = -1", "own_text_weight ska ligga mellan 0 och 1000; rätta värdet."),
    ],
)
def test_a_setting_that_says_something_impossible_is_refused(line: str, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(line, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert str(caught.value).startswith(f"{path}: {fault}")


def test_settings_in_another_encoding_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes('champion = "å"'.encode("cp1252"))
    with pytest.raises(SettingsError, match=r"filen är inte giltig TOML \(.+\); rätta raden och försök igen\.$"):
        load_settings(path)


# --- errors and files --------------------------------------------------------------------------------------------


def test_every_kind_of_error_has_its_own_exit_code() -> None:
    kinds = (NollclassifyError, InputError, ModelError, SettingsError, TrackingError)
    assert [kind.exit_code for kind in kinds] == [1, 4, 5, 6, 7]
    assert all(issubclass(kind, NollclassifyError) for kind in kinds)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_text(path, "gammal å\n")
    with pytest.raises(UnicodeEncodeError), replacing(path) as temporary:
        temporary.write_text("halv \ud83d", encoding="utf-8")
    assert path.read_bytes() == "gammal å\n".encode()
    write_text(path, "ny")
    assert [(p.name, p.read_text("utf-8")) for p in path.parent.iterdir()] == [("a.txt", "ny")]


def test_a_replaced_file_can_be_read_by_others_as_any_new_file_can(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "a")
    (tmp_path / "b.txt").touch()
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode
