"""The page of `drift`: whether to train again, in one sentence, and the figures that it rests on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from nollclassify.atomic import write_text
from nollclassify.drifting import (
    AUDIT_LESS,
    LEAST_COMPLAINTS,
    RETRAIN,
    RIGHT_LESS,
    STRANGE_MORE,
    TOO_FEW,
    UNKNOWN_TIMES,
    Drift,
    Figure,
    Part,
    measure_drift,
)
from nollclassify.errors import InputError
from nollclassify.model_store import StoredModel, load_model
from nollclassify.reporting.charts import Dot, changes_chart
from nollclassify.reporting.language import Language
from nollclassify.settings import Settings, load_settings
from nollclassify.taxonomy import OTHER, OTHER_NAME_SV, Taxonomy

_NAMES = {
    "unknown": "okända ord",
    "strange": "texter olika allt känt",
    "foreign": "på andra språk",
    "right": "väntas helt rätt",
    "audit": "granskat rätt",
}
_JUDGED = {"told": "visas bara", "over": "utanför gränsen", "unclear": "kan inte avgöras", "within": "inom gränsen"}
# Fewer cases of a cause than this, and its change says nothing.
_FEW = 5


def drift(
    *labelled: str | Path,
    output: str | Path = "drift.html",
    model: str | Path | StoredModel | None = None,
    audits: Sequence[str | Path] = (),
    month: str | None = None,
    json_path: str | Path | None = None,
    settings: Settings | None = None,
) -> Drift:
    """Hold a labelled month against the training texts of its model, and write what was found as a page.

    Args:
        labelled: files that `label` wrote, gladly earlier months too.
        output: the page, HTML that opens without a net.
        model, audits, month: as for `drifting.measure_drift`.
        json_path: where to write the figures as JSON as well.
        settings: by default those of the working directory.

    Raises:
        InputError: an output that is no page, or as `measure_drift`.
        ModelError: as `measure_drift`.
    """
    if Path(output).suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{output}: sidan är en webbsida; välj en --output som slutar på .html.")
    settings = settings or load_settings()
    stored = model if isinstance(model, StoredModel) else load_model(Path(model or settings.champion))
    found = measure_drift(labelled, stored, audits, month, settings)
    write_text(Path(output), render(found, stored.taxonomy))
    if json_path:
        write_text(Path(json_path), as_json(found))
    return found


def as_json(found: Drift) -> str:
    return json.dumps(found.to_dict(), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


# --- in words ----------------------------------------------------------------------------------------------------


def verdict(found: Drift) -> str:
    """`Träna om: ...`, `Behövs inte: ...` or `För få klagomål för att avgöra: ...`, in one sentence."""
    t, by_name = Language("sv"), {figure.name: figure for figure in found.figures}
    if found.retrain:
        return f"Träna om: {'; '.join(_reason(figure, t) for figure in found.reasons)}."
    if found.verdict == TOO_FEW:
        return f"För få klagomål för att avgöra: månaden har {found.n}, och det behövs minst {LEAST_COMPLAINTS}."
    right, unknown = by_name["right"], by_name["unknown"]
    said = [
        f"modellen väntas få allt rätt i {_share(right, t)} av klagomålen "
        f"({t.percent(right.reference, 0)} vid träningen)",
        f"{t.percent(1 - unknown.value.estimate, 0)} av orden är kända",
    ]
    if "audit" in by_name:
        said.append(f"granskningen fann {t.percent(by_name['audit'].value.estimate, 0)} rätt")
    return f"Behövs inte: {t.listed(said)}."


def _reason(figure: Figure, t: Language) -> str:
    value, reference = t.percent(figure.value.estimate), t.percent(figure.reference)
    return {
        "unknown": f"{value} av orden är okända för modellen, mot {reference} vid träningen",
        "strange": f"{value} av texterna liknar inget som modellen känner, mot {reference} vid träningen",
        "right": f"allt väntas bli rätt i bara {_share(figure, t)} av klagomålen, mot {reference} vid träningen",
        "audit": f"granskningen fann {value} rätt där modellen lovade {reference}",
    }[figure.name]


def _share(figure: Figure, t: Language) -> str:
    return f"{t.percent(figure.value.estimate, 0)} ({_span(figure, t, 0)})"


def _span(figure: Figure, t: Language, digits: int = 1) -> str:
    return t.between(t.number(100 * figure.value.low, digits), t.percent(figure.value.high, digits))


def next_step(found: Drift) -> str:
    """What to do now, with its command."""
    files = _files(found)
    if found.retrain:
        return (
            f"Gör så här: nollclassify review {files} --output granska.xlsx, rätta i Excel, "
            "nollclassify learn granska.xlsx och sedan nollclassify train."
        )
    if found.verdict == TOO_FEW:
        return (
            f"Gör så här: kör nollclassify drift igen när månaden har minst {LEAST_COMPLAINTS} klagomål. "
            f"Så få klagomål går också att läsa själv: nollclassify review {files} --output granska.xlsx --n {found.n}."
        )
    if any(figure.name == "audit" for figure in found.figures):
        return "Gör så här: märk nästa månad och kör nollclassify drift igen."
    first, then = _audit(found)
    return f"Vill ni vara säkrare: {first}, fyll i boken, och {then}."


def _files(found: Drift) -> str:
    return " ".join(f'"{name}"' if " " in name else name for name in found.files)


def _audit(found: Drift) -> tuple[str, str]:
    """The commands that draw an audit of the month, and that read it."""
    book = f"granskning-{found.month.replace(' ', '-')}.xlsx"
    files = _files(found)
    return f"nollclassify audit {files} --n 60 --output {book}", f"nollclassify drift {files} --audit {book}"


def left_out(found: Drift) -> str:
    """Which earlier rows are not compared with, and what to do about it; empty where there are none."""
    if not found.other_models:
        return ""
    t = Language("sv")
    return (
        f"{t.number(found.other_models)} rader från {t.listed([t.month(month) for month in found.other_months])} är "
        "märkta av en annan modell och är inte med; märk dem på nytt (nollclassify label FIL --force) för att jämföra."
    )


def mix_in_words(found: Drift, names: dict[str, str]) -> str:
    return " ".join(filter(None, [_mix(found, names), left_out(found)]))


def _mix(found: Drift, names: dict[str, str]) -> str:
    t = Language("sv")
    changed = [part for part in found.causes if part.certain]
    if not found.earlier:
        said = (
            "Inga tidigare månader är med, så blandningen jämförs med träningstexternas. De är skrivna för att visa "
            "orsakerna och är inte en kunds blandning"
        )
        return f"{said}{'' if found.other_models else ': ge tidigare månaders märkta filer också, så jämförs de'}."
    months = t.listed([t.month(month) for month in found.earlier])
    if not changed:
        return f"Jämfört med {months}, märkta av samma modell: ingen säker ändring."
    told = [f"{names[p.cause]} {'ökar' if p.share > p.before else 'minskar'}" for p in changed]
    return f"Jämfört med {months}, märkta av samma modell: {t.listed(told)}."


# --- the page ----------------------------------------------------------------------------------------------------


@cache
def _template() -> tuple[Any, str]:
    """The page's template, and the style that it shares with the breakdown's pages."""
    from jinja2 import Environment, StrictUndefined

    package = files("nollclassify")
    style = (package / "reporting" / "page.html").read_text("utf-8").partition("<style>")[2].partition("</style>")[0]
    source = (package / "data" / "drift.html").read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source), style


def render(found: Drift, taxonomy: Taxonomy) -> str:
    """The HTML of the page."""
    t, (template, style) = Language("sv"), _template()
    month = t.month(found.month)
    names = {cause.id: cause.name_sv for cause in taxonomy.causes} | {OTHER: OTHER_NAME_SV}
    against = "tidigare månader" if found.earlier else "träningstexterna"
    # No picture of a comparison that means little.
    dots = [(names[part.cause], [_dot(part)]) for part in found.causes] if found.earlier else []
    changes = [f"{names[p.cause]} {_ratio(p, t)[0]}" for p in found.causes]
    middle = len(found.lengths) // 2
    lengths = [[t.number(length[at]) for length in found.lengths] for at in (0, 1)]
    notes = [f"{found.n_rejected} rader kunde inte läsas och är inte med."] if found.n_rejected else []
    return str(
        template.render(
            d=found,
            style=style,
            title=f"{month[:1].upper()}{month[1:]}: behöver modellen tränas om?",
            colour={RETRAIN: "#D55E00", TOO_FEW: "#6b7680"}.get(found.verdict, "#009E73"),
            least=LEAST_COMPLAINTS,
            verdict=verdict(found),
            next=next_step(found),
            audit=_audit(found),
            n=t.number(found.n),
            texts=t.number(found.texts),
            figures=[_figure(figure, t) for figure in found.figures],
            lengths=f"Texternas längd, mitten {lengths[0][middle]} ord (de flesta {lengths[0][0]}–{lengths[0][-1]}); "
            f"vid träningen {lengths[1][middle]} ord ({lengths[1][0]}–{lengths[1][-1]}).",
            mix_in_words=mix_in_words(found, names),
            picture=changes_chart(dots, [f"månaden mot {against}"], "gånger så stor andel", "för få") if dots else "",
            alt="; ".join(changes),
            against=against,
            causes=[_cause(part, names, t) for part in found.causes],
            times=t.number(UNKNOWN_TIMES, 1),
            strange=t.number(100 * STRANGE_MORE),
            less=t.number(100 * RIGHT_LESS),
            audit_less=t.number(100 * AUDIT_LESS),
            made_by=" ".join([f"Modell {found.model_version}.", *notes]),
        )
    )


def _figure(figure: Figure, t: Language) -> dict[str, Any]:
    of_audit = figure.name == "audit"
    return {
        "name": _NAMES[figure.name],
        "value": t.percent(figure.value.estimate),
        "span": _span(figure, t),
        "n": f"{figure.n} granskade" if of_audit else "",
        "reference": f"{t.percent(figure.reference)}{' lovat' if of_audit else ''}",
        "limit": "–" if figure.limit is None else t.percent(figure.limit),
        "over": figure.over,
        "judged": _JUDGED[figure.judged],
    }


def _few(part: Part) -> bool:
    return part.n < _FEW and part.change.p >= 0.05


def _dot(part: Part) -> Dot:
    change = part.change
    return Dot(None, 0, 0) if _few(part) or change.ratio != change.ratio else Dot(change.ratio, change.low, change.high)


def _ratio(part: Part, t: Language) -> tuple[str, str]:
    change = part.change
    if _few(part) or not 0 <= change.ratio < float("inf"):
        return "för få", ""
    high = t.number(change.high, 2) if change.high < 100 else "…"
    return f"× {t.number(change.ratio, 2)}{' ●' if part.certain else ''}", t.between(t.number(change.low, 2), high)


def _cause(part: Part, names: dict[str, str], t: Language) -> dict[str, str]:
    change, span = _ratio(part, t)
    f1 = part.f1 if part.f1 and part.n >= _FEW else None
    return {
        "name": names[part.cause],
        "n": t.number(part.n),
        "share": t.percent(part.share),
        "before": t.percent(part.before),
        "change": change,
        "change_span": span,
        "f1": t.percent(f1.estimate, 0) if f1 else "–" if part.cause == OTHER else "för få",
        "f1_span": t.between(t.number(100 * f1.low), t.percent(f1.high, 0)) if f1 else "",
    }
