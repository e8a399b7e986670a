"""Commands on models: train, evaluate, promote, rollback."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nollclassify.cli.shared import (
    EXIT_NOT_PROMOTED,
    Files,
    Model,
    Taxonomy,
    app,
    model_directory,
    number,
    settings_for,
    spanned,
    steps,
)

if TYPE_CHECKING:
    from nollclassify.evaluation import Scores
    from nollclassify.gate import Decision
    from nollclassify.training import Training
    from nollclassify.training_data import Corrected

_LABEL_ANEW = (
    "Månader som ska jämföras ska vara märkta av samma modell: "
    "märk de andra på nytt med nollclassify label FIL --force, där FIL är månadens egen fil."
)


@app.command(epilog="Exempel: nollclassify train rattade-2020-03.xlsx --output models/mars")
def train(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FIL...]", help="Märkta ärendefiler.")] = None,
    output: Annotated[Path, typer.Option(metavar="MAPP", help="Var modellen läggs.")] = Path("models/challenger"),
    no_starter: Annotated[bool, typer.Option("--no-starter", help="Utan de texter som följer med.")] = False,
    register: Annotated[bool, typer.Option(help="Skriv till MLflow och fråga grinden.")] = True,
    no_corrections: Annotated[
        bool, typer.Option("--no-corrections", help="Utan de beslut som `learn` har läst in.")
    ] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Frö för delningen i delar.")] = 0,
    taxonomy: Taxonomy = "",
) -> None:
    """Träna en modell på startkorpus, märkta filer och rättelser; den som klarar grinden blir gällande modell."""
    with steps() as progress:
        progress("läser in bibliotek och texter")
        from nollclassify.training import train as run

        result = run(
            *(files or []),
            output=output,
            starter=not no_starter,
            register=register,
            seed=seed,
            settings=settings_for(taxonomy),
            progress=progress,
            corrections=not no_corrections,
        )
    print_training(result)


def print_training(result: Training) -> None:
    print(f"Modell {result.stored.version} i {result.directory}")
    print_scores(result.scores, result.stored.taxonomy, "Träffsäkerhet på upphov utanför träningen")
    _print_new_causes(result)
    from nollclassify.behaviours import by_kind

    _print_behaviours(by_kind(result.stored.held_out.behaviours))
    _print_corrected(result.corrected)
    if len(result.rejected):
        print(f"{len(result.rejected)} rader kunde inte användas; se filerna NAMN.rejected-in-training bredvid.")
    if result.decision is None:
        print("Modellen är inte registrerad.")
    elif result.decision.passed:
        print(f"Version {result.number} är nu gällande modell (champion): {result.decision.reason}.")
        if result.number != "1":
            print(_LABEL_ANEW)
    else:
        print(f"Version {result.number} blev inte gällande modell: {result.decision.reason}.")


def _print_new_causes(result: Training) -> None:
    if (scores := result.new_causes) is None:
        return
    for row in scores.causes.to_dict("records"):
        spans = [spanned(row[m], row[f"{m}_low"], row[f"{m}_high"]) for m in ("precision", "recall", "f1")]
        print(
            f"{result.stored.taxonomy.cause(row['cause']).name_sv}: startkorpusen är inte märkt för orsaken. Ovan "
            f"räknas det som om ingen av dess texter hörde dit: måttet är för lågt. På era egna {scores.n} texter: "
            f"precision {spans[0]}, täckning {spans[1]}, F1 {spans[2]}."
        )


def _print_corrected(corrected: Corrected) -> None:
    if corrected.n:
        print(f"{corrected.n} rättade texter är med; {corrected.replaced} av dem ersätter en tidigare märkning.")
    if corrected.overruled:
        print(f"{corrected.overruled} beslut gäller en text som senare bedömdes annorlunda; det senaste gäller.")
    if corrected.disputed:
        print(f"{corrected.disputed} ärenden är inte med, för granskarna är oense; se `nollclassify agreement`.")
    for cause, count in corrected.unknown.items():
        print(f"{count} rättelser är inte med, för taxonomin har inte orsaken {cause}.")


def print_scores(scores: Scores, taxonomy: Any, title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"{title}, {scores.n} klagomål (95 % intervall)",
        title_justify="left",
    )
    for name in ("Orsak", "n", "Precision", "Täckning", "F1", "AP", "Kal.fel"):
        table.add_column(name, justify="left" if name == "Orsak" else "right")
    for row in scores.causes.to_dict("records"):
        spans = [spanned(row[m], row[f"{m}_low"], row[f"{m}_high"]) for m in ("precision", "recall", "f1")]
        rest = [number(row["average_precision"]), number(row["calibration_error"], 3)]
        table.add_row(taxonomy.cause(row["cause"]).name_sv, str(row["n"]), *spans, *rest)
    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    console.print(table)
    for name, interval in (
        ("Makro-F1", scores.macro_f1),
        ("Mikro-F1", scores.micro_f1),
        ("Helt rätt", scores.exact_match),
    ):
        console.print(f"{name} {spanned(interval.estimate, interval.low, interval.high)}")


@app.command(epilog="Exempel: nollclassify evaluate rattade-2020-03.xlsx --json matt.json")
def evaluate(
    files: Files,
    model: Model = "",
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="FIL", help="Skriv också måtten som JSON; - är skärmen.")
    ] = None,
) -> None:
    """Mät en modell på märkta ärenden: per orsak, totalt, per kanal och per produkt."""
    with steps() as progress:
        progress("mäter")
        from nollclassify.model_store import load_model
        from nollclassify.scoring import evaluate as run

        settings = settings_for()
        stored = load_model(model_directory(model, settings))
        on_screen = str(json_path) == "-"
        result = run(*files, model=stored, json_path=None if on_screen else json_path, settings=settings)
    if on_screen:
        print(json.dumps(result.to_dict(), ensure_ascii=False, indent=2))
        return
    print(f"Modell {result.model_version}")
    print_scores(result.scores, stored.taxonomy, "Träffsäkerhet")
    for title, parts in (("Kanal", result.by_channel), ("Produkt", result.by_product)):
        for name, part in parts.items():
            micro = part.micro_f1
            print(f"{title} {name}: n {part.n}, mikro-F1 {spanned(micro.estimate, micro.low, micro.high)}")
    if result.too_few:
        print(f"För få för att säga något: {', '.join(result.too_few)}")
    _print_confusion(result.scores, stored.taxonomy)
    _print_behaviours(result.behaviours)
    if result.n_seen:
        print(f"Obs! {result.n_seen} av texterna fanns i modellens träning; för dem är måtten för bra.")
    if result.n_rejected:
        print(f"{result.n_rejected} rader kunde inte användas; `nollclassify label` skriver dem med skäl.")


def _print_confusion(scores: Scores, taxonomy: Any) -> None:
    """Right answers down, the model's across; the causes' names stand once, and have numbers across."""
    print("Huvudorsak: rätt svar (rad) mot modellens (kolumn, med radens nummer)")
    names = [f"{n} {taxonomy.names_sv(cause)}" for n, cause in enumerate(scores.confusion.index, 1)]
    columns = [list(scores.confusion.index).index(cause) + 1 for cause in scores.confusion.columns]
    print(scores.confusion.set_axis(names, axis=0).set_axis(columns, axis=1).to_string())


def _print_behaviours(table: Any) -> None:
    from nollclassify.behaviours import KINDS_SV

    print("Beteendesviten: andel fall där varje text får just sina orsaker (95 % intervall)")
    for row in table.to_dict("records"):
        print(f"  {KINDS_SV[row['kind']]}: {spanned(row['share'], row['low'], row['high'])}, {row['n']} fall")


@app.command(epilog='Exempel: nollclassify promote 3 --reason "granskad av analysgruppen"')
def promote(
    version: Annotated[int, typer.Argument(metavar="VERSION", help="Versionens nummer i registret.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Varför; sparas med versionen.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Befordra även om grinden säger nej; kräver --reason.")
    ] = False,
) -> None:
    """Pröva en registrerad version mot grinden och gör den till gällande modell om den klarar den."""
    with steps() as progress:
        progress("jämför med gällande modell")
        from nollclassify.promotion import promote as run

        result = run(version, reason, force, settings_for())
    if result.already:
        print(f"Version {result.number} är redan gällande modell; {result.reason}.")
        return
    _print_differences(result.decision, result.names)
    if not result.promoted:
        print(f"Version {result.number} blev inte gällande modell: {result.reason}.")
        raise typer.Exit(EXIT_NOT_PROMOTED)
    print(f"Version {result.number} är nu gällande modell (champion): {result.reason}.")
    print(_LABEL_ANEW)


def _print_differences(decision: Decision, names: Mapping[str, str]) -> None:
    """The new version against the present one: each cause's F1, and how many texts are labelled otherwise."""
    table = decision.table
    rows = table[(table["part"] == "cause") & table["difference"].notna()].to_dict("records")
    if not rows:
        return
    print("F1 mot den gällande modellen, per orsak (95 % intervall):")
    for row in rows:
        difference, low, high = (number(row[name], 3, "+") for name in ("difference", "low", "high"))
        change = f"{difference} ({low} till {high})"
        few = ", för få för att bedömas" if row["verdict"] == "not judged" else ""
        print(f"  {names.get(row['name'], row['name'])}: {change}, {row['n']} texter{few}")
    changed, n = (int(decision.figures[name]) for name in ("texts_changed", "texts"))
    print(f"{changed} av {n} gemensamma provtexter får andra orsaker.")


@app.command(epilog='Exempel: nollclassify rollback --reason "för många falska väntetider"')
def rollback(
    to: Annotated[
        int | None, typer.Option("--to", metavar="VERSION", help="En tidigare gällande version. [förval: den förra]")
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Varför; sparas med versionen som tas ur bruk.")] = "",
) -> None:
    """Gå tillbaka till modellen som gällde före den nuvarande; den ger samma etiketter som då, tecken för tecken."""
    with steps() as progress:
        progress("byter tillbaka")
        from nollclassify.promotion import rollback as run

        result = run(to, reason, settings_for())
    print(f"Version {result.number} är åter gällande modell (champion), i stället för version {result.before}.")
    print(_LABEL_ANEW)
