"""The command line: parse, call one function, print, choose the exit code. Heavy imports wait inside the commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nollclassify.errors import InputError, NollclassifyError

if TYPE_CHECKING:
    from nollclassify.evaluation import Scores
    from nollclassify.labelling import Labelled
    from nollclassify.reporting import Breakdown
    from nollclassify.settings import Settings
    from nollclassify.spark import LabelledBySpark
    from nollclassify.training import Training

EXIT_REJECTED, EXIT_NOT_PROMOTED = 3, 8

app = typer.Typer(
    name="nollclassify",
    help="Läser svenska klagomål och säger varför kunden är missnöjd.",
    epilog="Slutkoder: 0 allt gick väl; 2 fel i kommandot; 3 några rader kunde inte märkas; 4 indata; 5 modell; "
    "6 inställningar; 7 MLflow; 8 modellen befordrades inte.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Files = Annotated[  # not as paths, which would spoil the address of a table on a cluster
    list[str], typer.Argument(metavar="FIL...", help="Ärendefiler: CSV, Excel, JSON Lines eller Parquet.")
]
Model = Annotated[
    str, typer.Option("--model", metavar="MAPP", help="Modellmapp eller models:/NAMN@ALIAS. [förval: models/champion]")
]
Taxonomy = Annotated[
    str, typer.Option("--taxonomy", metavar="FIL", help="Egen taxonomifil i stället för den medföljande.")
]


def main() -> None:
    """Run the command line; every foreseen error is one sentence and an exit code."""
    try:
        app()
    except NollclassifyError as error:
        print(f"Fel: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _settings(taxonomy: str = "") -> Settings:
    from dataclasses import replace

    from nollclassify.settings import load_settings

    settings = load_settings()
    return replace(settings, taxonomy=taxonomy) if taxonomy else settings


def _model_directory(model: str, settings: Settings) -> Path:
    """A model's directory; only a registry address needs MLflow."""
    if not model.startswith(("models:/", "runs:/")):
        return Path(model or settings.champion)
    from nollclassify.tracking import Tracking

    return Tracking(settings).fetch(model)


@contextmanager
def _steps() -> Iterator[Callable[[str], None]]:
    """Show what goes on, on standard error: a turning sign in a terminal, a line a step elsewhere."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False, markup=False)
    if not console.is_terminal:
        yield lambda message: console.print(f"… {message}")
        return
    with console.status("börjar") as status:
        yield lambda message: status.update(f"{message} …")


@app.command(epilog="Exempel: nollclassify train rattade-2020-03.xlsx --output models/mars")
def train(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FIL...]", help="Märkta ärendefiler.")] = None,
    output: Annotated[Path, typer.Option(metavar="MAPP", help="Var modellen läggs.")] = Path("models/challenger"),
    no_starter: Annotated[bool, typer.Option("--no-starter", help="Utan de texter som följer med.")] = False,
    register: Annotated[bool, typer.Option(help="Skriv till MLflow och fråga grinden.")] = True,
    seed: Annotated[int, typer.Option(metavar="N", help="Frö för delningen i delar.")] = 0,
    taxonomy: Taxonomy = "",
) -> None:
    """Träna en modell på startkorpusen och på egna märkta filer; den som klarar grinden blir gällande modell."""
    with _steps() as progress:
        progress("läser in bibliotek och texter")
        from nollclassify.training import train as run

        result = run(
            *(files or []),
            output=output,
            starter=not no_starter,
            register=register,
            seed=seed,
            settings=_settings(taxonomy),
            progress=progress,
        )
    _print_training(result)


def _print_training(result: Training) -> None:
    print(f"Modell {result.stored.version} i {result.directory}")
    _print_scores(result.scores, result.stored.taxonomy, "Träffsäkerhet på upphov utanför träningen")
    from nollclassify.behaviours import by_kind

    _print_behaviours(by_kind(result.stored.held_out.behaviours))
    if len(result.rejected):
        print(f"{len(result.rejected)} rader kunde inte användas; se filerna NAMN.rejected-in-training bredvid.")
    if result.decision is None:
        print("Modellen är inte registrerad.")
    elif result.decision.passed:
        print(f"Version {result.number} är nu gällande modell (champion): {result.decision.reason}.")
    else:
        print(f"Version {result.number} blev inte gällande modell: {result.decision.reason}.")


def _print_scores(scores: Scores, taxonomy: Any, title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"{title}, {scores.n} klagomål (95 % intervall)",
        title_justify="left",
    )
    for name in ("Orsak", "n", "Precision", "Täckning", "F1", "AP", "Kal.fel"):
        table.add_column(name, justify="left" if name == "Orsak" else "right")
    for row in scores.causes.to_dict("records"):
        spans = [f"{row[m]:.2f} ({row[f'{m}_low']:.2f}–{row[f'{m}_high']:.2f})" for m in ("precision", "recall", "f1")]
        rest = [f"{row['average_precision']:.2f}", f"{row['calibration_error']:.3f}"]
        table.add_row(taxonomy.cause(row["cause"]).name_sv, str(row["n"]), *spans, *rest)
    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    console.print(table)
    for name, interval in (
        ("Makro-F1", scores.macro_f1),
        ("Mikro-F1", scores.micro_f1),
        ("Helt rätt", scores.exact_match),
    ):
        console.print(f"{name} {interval.estimate:.2f} ({interval.low:.2f}–{interval.high:.2f})")


@app.command(epilog="Exempel: nollclassify label mars.xlsx --output mars.labelled.xlsx")
def label(
    files: Files,
    output: Annotated[
        str | None,
        typer.Option(metavar="FIL", help="Resultatfil, eller mapp för flera filer. [förval: NAMN.labelled.*]"),
    ] = None,
    model: Model = "",
    force: Annotated[bool, typer.Option("--force", help="Ersätt en resultatfil som redan finns.")] = False,
    precision: Annotated[
        float | None,
        typer.Option(metavar="TAL", help="0.80 till 0.99: märk bara det som är rätt så ofta; resten till granskning."),
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Fortsätt där samma märkning avbröts [förval], eller börja om.", show_default=False)
    ] = True,
    engine: Annotated[
        Literal["local", "spark"],
        typer.Option(help="Här (local), eller Parquet till en mapp, på många maskiner (spark).", show_default=False),
    ] = "local",
) -> None:
    """Märk klagomål med orsaker. Varje rad hamnar i den märkta filen eller, med skäl, i den avvisade."""
    from rich.progress import Progress

    from nollclassify.labelling import label as run

    settings = _settings()
    directory = _model_directory(model, settings)
    if engine == "spark":
        _label_with_spark(files, output=output, model=directory, force=force, precision=precision, settings=settings)
        return
    with Progress(transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("märker", total=None)
        results = run(
            *files,
            output=output,
            model=directory,
            force=force,
            precision=precision,
            settings=settings,
            progress=lambda done, of: bar.update(task, completed=done, total=of or None),
            resume=resume,
        )
    for result in results:
        _print_labelled(result)
    if any(result.rejected_output for result in results):
        raise typer.Exit(EXIT_REJECTED)


def _label_with_spark(files: list[str], **options: Any) -> None:
    from nollclassify.spark import label_with_spark as run

    if len(files) > 1:
        raise InputError(f"--engine spark: {len(files)} filer angavs; ange en Parquet-fil, eller mappen med alla.")
    with _steps() as progress:
        progress("märker med Spark")
        result = run(files[0], **options)
    _print_labelled(result)
    if result.rejected_output:
        raise typer.Exit(EXIT_REJECTED)


def _print_labelled(result: Labelled | LabelledBySpark) -> None:
    print(f"{result.n} klagomål märkta, varav {result.n_review} bör granskas: {result.output}")
    if result.rejected_output:
        print(f"{result.n_rejected} rader avvisade, med skäl: {result.rejected_output}")


@app.command(epilog="Exempel: nollclassify evaluate rattade-2020-03.xlsx --json matt.json")
def evaluate(
    files: Files,
    model: Model = "",
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="FIL", help="Skriv också måtten som JSON; - är skärmen.")
    ] = None,
) -> None:
    """Mät en modell på märkta ärenden: per orsak, totalt, per kanal och per produkt."""
    with _steps() as progress:
        progress("mäter")
        from nollclassify.model_store import load_model
        from nollclassify.scoring import evaluate as run

        settings = _settings()
        stored = load_model(_model_directory(model, settings))
        on_screen = str(json_path) == "-"
        result = run(*files, model=stored, json_path=None if on_screen else json_path, settings=settings)
    if on_screen:
        print(json.dumps(result.to_dict(), ensure_ascii=False, indent=2))
        return
    print(f"Modell {result.model_version}")
    _print_scores(result.scores, stored.taxonomy, "Träffsäkerhet")
    for title, parts in (("Kanal", result.by_channel), ("Produkt", result.by_product)):
        for name, part in parts.items():
            macro = part.micro_f1
            print(f"{title} {name}: n {part.n}, mikro-F1 {macro.estimate:.2f} ({macro.low:.2f}–{macro.high:.2f})")
    if result.too_few:
        print(f"För få för att säga något: {', '.join(result.too_few)}")
    _print_confusion(result.scores)
    _print_behaviours(result.behaviours)
    if result.n_seen:
        print(f"Obs! {result.n_seen} av texterna fanns i modellens träning; för dem är måtten för bra.")
    if result.n_rejected:
        print(f"{result.n_rejected} rader kunde inte användas; `nollclassify label` skriver dem med skäl.")


def _print_confusion(scores: Scores) -> None:
    print("Huvudorsak: rätt svar (rad) mot modellens (kolumn)")
    print(scores.confusion.to_string())


def _print_behaviours(table: Any) -> None:
    from nollclassify.behaviours import KINDS_SV

    print("Beteendesviten: andel fall där varje text får just sina orsaker (95 % intervall)")
    for row in table.to_dict("records"):
        print(f"  {KINDS_SV[row['kind']]}: {row['share']:.2f} ({row['low']:.2f}–{row['high']:.2f}), {row['n']} fall")


@app.command(epilog='Exempel: nollclassify promote 3 --reason "granskad av analysgruppen"')
def promote(
    version: Annotated[int, typer.Argument(metavar="VERSION", help="Versionens nummer i registret.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Varför; sparas med versionen.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Befordra även om grinden säger nej; kräver --reason.")
    ] = False,
) -> None:
    """Pröva en registrerad version mot grinden och gör den till gällande modell om den klarar den."""
    with _steps() as progress:
        progress("jämför med gällande modell")
        from nollclassify.training import promote as run

        result = run(version, reason, force, _settings())
    if not result.promoted:
        print(f"Version {result.number} blev inte gällande modell: {result.reason}.")
        raise typer.Exit(EXIT_NOT_PROMOTED)
    print(f"Version {result.number} är nu gällande modell (champion): {result.reason}.")


@app.command(epilog="Exempel: nollclassify audit mars.labelled.xlsx --n 60")
def audit(
    labelled: Annotated[list[Path], typer.Argument(metavar="MÄRKT...", help="Filer som `label` har skrivit.")],
    n: Annotated[int, typer.Option("--n", metavar="N", help="Hur många klagomål som ska granskas, minst 20.")] = 40,
    month: Annotated[str | None, typer.Option(metavar="ÅÅÅÅ-MM", help="Månad. [förval: den senaste]")] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FIL", help="Excelbok att fylla i. [förval: granskning-MÅNAD.xlsx]")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Frö för lottningen.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Ersätt en granskning som redan finns.")] = False,
    taxonomy: Taxonomy = "",
) -> None:
    """Lotta fram klagomål som en människa ska granska, så att månadens siffror kan rättas för modellens fel."""
    with _steps() as progress:
        progress("lottar")
        from nollclassify.auditing import audit as run

        result = run(*labelled, n=n, month=month, output=output, seed=seed, force=force, settings=_settings(taxonomy))
    print(f"{result.n} av {result.n_cases} klagomål i {result.month} att granska: {result.output}")
    print("Välj huvudorsak ur listan för varje klagomål (Övrigt där ingen passar) och ge sedan boken till")
    print(f"`nollclassify report ... --audit {result.output}`. Flera granskade ger smalare intervall.")


@app.command(epilog="Exempel: nollclassify report mars.labelled.xlsx --output rapport --purchases kop.csv")
def report(
    labelled: Annotated[
        list[Path],
        typer.Argument(metavar="MÄRKT...", help="Filer som `label` har skrivit; gärna tidigare månader också."),
    ],
    output: Annotated[Path, typer.Option(metavar="MAPP", help="Var sammanställningen läggs.")],
    purchases: Annotated[
        Path | None,
        typer.Option(metavar="FIL", help="Köp (och mål) per månad och produkt, för tal per miljon köp."),
    ] = None,
    audit: Annotated[
        list[Path] | None,
        typer.Option(metavar="FIL", help="Ifylld granskning från `audit`; en per månad, flera går bra."),
    ] = None,
    measures: Annotated[
        Path | None, typer.Option(metavar="FIL", help="Åtgärder (datum, produkt, orsak, åtgärd, ansvarig).")
    ] = None,
    month: Annotated[str | None, typer.Option(metavar="ÅÅÅÅ-MM", help="Månad. [förval: den senaste]")] = None,
    language: Annotated[str, typer.Option(metavar="SPRÅK", help="sv eller en.")] = "sv",
    taxonomy: Taxonomy = "",
) -> None:
    """Sammanställ märkta klagomål: en webbsida per produkt och en för alla, en Excelbok och en CSV-fil."""
    with _steps() as progress:
        progress("sammanställer")
        from nollclassify.reporting import report as run

        result = run(
            *labelled,
            output=output,
            purchases=purchases,
            audits=audit or [],
            measures=measures,
            month=month,
            language=language,
            settings=_settings(taxonomy),
        )
    _print_breakdown(result)


def _print_breakdown(result: Breakdown) -> None:
    print("\n".join(result.summary))
    print(f"Sida: {result.page} och {len(result.pages) - 1} till, en per produkt")
    print(f"Excel: {result.workbook}\nCSV: {result.csv}")
    if result.n_rejected:
        print(f"Obs! {result.n_rejected} rader i filerna kunde inte läsas och är inte med.")


@app.command(epilog="Exempel: nollclassify causes")
def causes(taxonomy: Taxonomy = "") -> None:
    """Visa orsakerna: vad de betyder, vad som inte hör dit, och exempel."""
    from nollclassify.taxonomy import load_taxonomy

    settings = _settings(taxonomy)
    loaded = load_taxonomy(Path(settings.taxonomy) if settings.taxonomy else None)
    print(f"Taxonomi {loaded.version}\n")
    for cause in loaded.causes:
        print(f"{cause.name_sv} ({cause.id}; {cause.name_en})\n  {cause.definition_sv}\n  {cause.definition_en}")
        for title, lines in (("Hit hör", cause.belongs), ("Inte hit", cause.excludes)):
            print("".join(f"  {title}: {line}\n" for line in lines), end="")
        print("".join(f"  + ”{line}”\n" for line in cause.examples), end="")
        print("".join(f"  - ”{line}”\n" for line in cause.counter_examples))
    print("Övrigt (other)\n  Ingen av orsakerna passar: cellen för orsaker är tom.")


@app.command(epilog="Exempel: nollclassify demo --folder demo")
def demo(
    folder: Annotated[Path, typer.Option(metavar="MAPP", help="Var exempelfiler och resultat läggs.")] = Path("demo"),
) -> None:
    """Visa hela arbetet på medföljande texter: träna, befordra, märk en månad, sammanställ."""
    with _steps() as progress:
        progress("läser in bibliotek och texter")
        from nollclassify.demo import demo as run

        result = run(folder, _settings(), progress)
    _print_training(result.training)
    print()
    for labelled in result.labelled:
        _print_labelled(labelled)
    _print_breakdown(result.breakdown)
    print(f"\nNästa steg: öppna {result.breakdown.page} i webbläsaren, eller märk en egen fil: nollclassify label FIL")


if __name__ == "__main__":
    main()
