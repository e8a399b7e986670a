"""The settings of a working directory: one frozen dataclass, read from one TOML file."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf
from pathlib import Path
from typing import Any

from nollclassify.errors import SettingsError
from nollclassify.toml_text import parse_toml

SETTINGS_FILE = "nollclassify.toml"
# The smallest and the largest value that makes sense.
_RANGES: dict[str, tuple[float, float]] = {
    "review_below": (0, 1),
    "own_text_weight": (0, 1_000),
    "min_gate_texts": (1, 1_000_000),
    "min_cell": (1, 1_000_000),
}


@dataclass(frozen=True)
class Settings:
    """What a team may set once for all commands.

    Attributes:
        taxonomy: path of the team's own taxonomy file; empty means the one that comes with the package.
        word_classes: path of the team's own classes of words; empty means those that come with the package.
        champion: directory of the model that `label` uses when no other is named.
        registered_model: name in the MLflow registry.
        experiment: name of the MLflow experiment that trainings are recorded under.
        review_below: a case goes to review when the probability that its whole label set is right is below
            this, 0 to 1.
        own_text_weight: how much a text of the user's own counts in training against one of the starter corpus.
        min_gate_texts: the gate judges nothing, and so passes nothing, on fewer shared texts than this.
        min_cell: a breakdown shows no figure for fewer cases than this.
        definition: version of what counts as a complaint, one of `data/definitions.toml`.
        corrections: the ledger of corrections, which `learn` adds to and `train` reads.
    """

    taxonomy: str = ""
    word_classes: str = ""
    champion: str = "models/champion"
    registered_model: str = "nollclassify"
    experiment: str = "nollclassify"
    review_below: float = 0.7
    own_text_weight: float = 10.0
    min_gate_texts: int = 200
    min_cell: int = 5
    definition: str = "2"
    corrections: str = "corrections.sqlite"


def load_settings(path: Path | None = None) -> Settings:
    """Read the settings from `path`, or from `nollclassify.toml` in the working directory where there is one.

    Raises:
        SettingsError: the file is missing though it was named, is not TOML, or holds an unknown or wrong value.
    """
    file = path or Path(SETTINGS_FILE)
    if not file.is_file():
        if path is None:
            return Settings()
        raise SettingsError(f"{file}: filen finns inte; ange en inställningsfil som finns.")
    return _checked(_parse(file), file)


def _parse(file: Path) -> dict[str, Any]:
    try:
        return parse_toml(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"{file}: filen går inte att läsa ({error.strerror}); ange en annan.") from None
    except ValueError as error:
        raise SettingsError(f"{file}: filen är inte giltig TOML ({error}); rätta raden och försök igen.") from None


def _checked(values: dict[str, Any], file: Path) -> Settings:
    known = {f.name: f.type for f in fields(Settings)}
    for name, value in values.items():
        if name not in known:
            raise SettingsError(f"{file}: okänd inställning {name}; tillåtna är {', '.join(known)}.")
        wanted: tuple[type, ...] = {"str": (str,), "int": (int,), "float": (int, float)}[str(known[name])]
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise SettingsError(f"{file}: {name} ska vara av typen {known[name]}; rätta värdet och försök igen.")
        least, most = _RANGES.get(name, (-inf, inf))
        if isinstance(value, int | float) and not least <= value <= most:
            raise SettingsError(f"{file}: {name} ska ligga mellan {least} och {most}; rätta värdet.")
    return Settings(**values)
