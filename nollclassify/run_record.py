"""What a training shows of itself on MLflow's pages: names, descriptions, and pictures made from held-out predictions.

The pages are the analysts', so they are in English. Figures and causes only: nothing here sees a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from nollclassify.behaviours import by_kind
from nollclassify.champions import markdown_table
from nollclassify.estimation import Interval, wilson_limits
from nollclassify.evaluation import Scores, calibration_bins
from nollclassify.gate import Decision, HeldOut, Judgement, macro_f1
from nollclassify.model_store import StoredModel
from nollclassify.taxonomy import OTHER, Taxonomy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KINDS = {
    "pair": "minimal pairs, both right",
    "denied": "a cause denied or quoted",
    "variants": "one complaint in variants",
    "short": "at most six words",
}
_BLUE, _GREY = "#0072B2", "#999999"
# Databases other than SQLite keep 5,000 characters of a description.
_LONGEST = 4_900
# Inches of one small picture.
_SMALL = 2.6


@dataclass(frozen=True)
class Page:
    """How a run and its registered version are shown.

    Attributes:
        name: of the run.
        note: the run's description, Markdown.
        summary: the version's description, Markdown, at most a few lines.
        pictures: path among the artefacts -> matplotlib figure.
    """

    name: str
    note: str
    summary: str
    pictures: Mapping[str, Figure] = field(default_factory=dict)


def page(stored: StoredModel, scores: Scores, began: datetime) -> Page:
    """The page of a finished training; `scores` are those of its cross-validation."""
    # MLflow's list of runs cuts names after some twenty characters.
    name = f"{began:%Y-%m-%d} {scores.n:,} texts, {stored.manifest['candidate']}"
    return Page(name, note(stored, scores), summary(stored), pictures(stored.held_out, stored.taxonomy, scores))


def params(stored: StoredModel, own_text_weight: float, word_classes: str) -> dict[str, Any]:
    """What a run was made with; files by digest and number, for a path may name a person."""
    training = stored.manifest["training"]
    told = {"candidate": stored.manifest["candidate"], **{k: training[k] for k in ("seed", "texts", "groups")}}
    told |= {"causes": len(stored.model.cause_ids), "taxonomy_version": stored.taxonomy.version}
    told |= {"own_text_weight": own_text_weight, "word_classes": word_classes}
    # By number also because a file's name may hold what MLflow refuses in a parameter's.
    return told | {f"data.{n}": digest[:16] for n, digest in enumerate(training["digests"].values(), 1)}


def summary(stored: StoredModel, gate: str = "") -> str:
    """A version's description: what it is, how well it reads, and what the gate said (`gate`, may be empty)."""
    held = stored.held_out
    told = (
        f"Model {stored.version}: {len(held.digests):,} texts, {len(held.cause_ids)} causes "
        f"(taxonomy {stored.taxonomy.version}), macro-F1 {macro_f1(held):.3f} on unseen authors."
    )
    return f"{told}\n\n{gate}"[:_LONGEST] if gate else told


def note(stored: StoredModel, scores: Scores) -> str:
    """A run's description: scores of each cause and the behaviour suite as small tables."""
    training = stored.manifest["training"]
    lines = [
        f"Model **{stored.version}**, taxonomy {stored.taxonomy.version}: {scores.n:,} texts by {training['authors']} "
        f"known authors, {training['groups']:,} groups that were kept together. Figures with 95 % intervals, on "
        "texts whose author and near-duplicates were not in the training part.",
        "",
    ]
    rows = [["cause", "texts", "F1", "precision", "recall", "calibration error"]]
    for row in scores.causes.to_dict("records"):
        f1 = _span(Interval(row["f1"], row["f1_low"], row["f1_high"]))
        rest = [_number(row[name], digits) for name, digits in _COLUMNS]
        rows.append([stored.taxonomy.cause(row["cause"]).name_en, f"{row['n']:,}", f1, *rest])
    overall = {"macro-F1": scores.macro_f1, "micro-F1": scores.micro_f1, "all causes right": scores.exact_match}
    rows += [[f"**{name}**", f"{scores.n:,}", _span(interval), "", "", ""] for name, interval in overall.items()]
    suite = [
        [_KINDS[row["kind"]], str(row["n"]), _span(Interval(row["share"], row["low"], row["high"]))]
        for row in by_kind(stored.held_out.behaviours).to_dict("records")
    ]
    second = [markdown_table([["behaviour suite", "groups", "passed"], *suite])] if suite else []
    return "\n".join([*lines, markdown_table(rows), "", *second])


_COLUMNS = (("precision", 2), ("recall", 2), ("calibration_error", 3))


def _span(interval: Interval) -> str:
    return f"{_number(interval.estimate, 3)} ({_number(interval.low, 3)}–{_number(interval.high, 3)})"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def gate_page(decision: Decision, verdict: str, reason: str) -> str:
    """What the gate judged, as a page of HTML: MLflow shows one, where it shows a CSV file without its heading."""
    head = ("part", "", "n", "challenger", "champion", "better by (95 %)", "must reach", "reaches", "verdict")
    rows = "".join(f"<tr class='{j.verdict}'>{_cells(j)}</tr>" for j in decision.judgements)
    headings = "".join(f"<th>{name}</th>" for name in head)
    return (
        "<!doctype html><meta charset='utf-8'><title>The gate</title><style>body{font:14px sans-serif}"
        "td,th{padding:3px 12px 3px 0;text-align:left}.worse td,.not td{color:#a40000}</style>"
        f"<p><b>{escape(verdict)}</b>: {escape(reason)}</p><table><tr>{headings}</tr>{rows}</table>"
    )


def _cells(j: Judgement) -> str:
    ends = " to ".join(_number(end, 3) for end in (j.low, j.high))
    span = f"{_number(j.difference, 3)} ({ends})"
    figures = [str(j.n), _number(j.challenger, 3), _number(j.champion, 3), span]
    texts = [j.part, j.name, *figures, _number(-j.margin, 2), _number(j.bound, 3), j.verdict]
    return "".join(f"<td>{escape(text)}</td>" for text in texts)


# --- pictures ----------------------------------------------------------------------------------------------------


def pictures(held_out: HeldOut, taxonomy: Taxonomy, scores: Scores) -> dict[str, Figure]:
    """Path -> picture: F1 of each cause, calibration of each cause, and which primary causes get mixed up."""
    names = [taxonomy.cause(cause).name_en for cause in held_out.cause_ids]
    return {
        "pictures/f1_by_cause.png": _f1(scores, names),
        "pictures/calibration.png": _calibration(held_out, names, scores),
        "pictures/confusion.png": _confusion(scores, names),
    }


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def _f1(scores: Scores, names: list[str]) -> Figure:
    table = scores.causes
    figure = _figure(7.5, 1.6 + 0.38 * len(names))
    axes, at = figure.subplots(), np.arange(len(names))[::-1]
    axes.hlines(at, table["f1_low"], table["f1_high"], color=_BLUE, linewidth=2)
    axes.plot(table["f1"], at, "o", color=_BLUE)
    macro = scores.macro_f1
    axes.axvspan(macro.low, macro.high, color=_GREY, alpha=0.25, linewidth=0)
    axes.axvline(macro.estimate, color=_GREY, linewidth=1)
    labels = [f"{name}  (n = {n:,})" for name, n in zip(names, table["n"], strict=True)]
    axes.set_yticks(at, labels)
    axes.set(xlim=(0, 1), ylim=(-0.6, len(names) - 0.4), xlabel="F1, 95 % interval; grey: macro-F1")
    axes.set_title(f"F1 by cause on {scores.n:,} unseen texts", loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _calibration(held: HeldOut, names: list[str], scores: Scores) -> Figure:
    across = min(3 if len(names) <= 6 else 4, len(names))
    down = -(-len(names) // across)
    figure = _figure(0.6 + _SMALL * across, 0.9 + (_SMALL + 0.35) * down)
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for k, (axes, name) in enumerate(zip(grid, names, strict=False)):
        axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1)
        said, seen, low, high = _bins(held.truth[:, k], held.probabilities[:, k].astype(float))
        axes.vlines(said, low, high, color=_BLUE, alpha=0.5)
        axes.plot(said, seen, "o-", color=_BLUE, markersize=3.5, linewidth=1)
        axes.set_title(f"{name}\ncalibration error {scores.causes['calibration_error'][k]:.3f}", fontsize=9)
        ends, ticks = (-0.03, 1.03), (0, 0.5, 1)
        axes.set(xlim=ends, ylim=ends, xticks=ticks, yticks=ticks, aspect="equal")
        axes.spines[["top", "right"]].set_visible(False)
    for axes in grid[len(names) :]:
        axes.remove()
    figure.supxlabel("probability said (15 bins of as many texts)", fontsize=10)
    figure.supylabel("share that has the cause, 95 %", fontsize=10)
    return figure


def _bins(truth: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, ...]:
    """Mean probability and share of the cause in each bin, with Wilson's limits."""
    number = calibration_bins(probabilities)
    size = np.bincount(number).astype(float)
    seen = np.bincount(number, truth) / size
    return np.bincount(number, probabilities) / size, seen, *wilson_limits(seen, size)


def _confusion(scores: Scores, names: list[str]) -> Figure:
    counts = scores.confusion.to_numpy()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    labels = [*names, OTHER.capitalize()]
    side = 0.62 * len(labels)
    figure = _figure(3.4 + side, 2.4 + side)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        if counts[row, column]:
            colour = "white" if shares[row, column] > 0.55 else "black"
            axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right", fontsize=9)
    axes.set_yticks(range(len(labels)), labels, fontsize=9)
    axes.set(xlabel="predicted", ylabel="right answer")
    axes.set_title("Primary cause; colour: share of the row", loc="left", fontsize=11)
    return figure
