"""The pictures of a breakdown, as SVG that stands in the page itself."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

# Okabe and Ito (2008): colours that the colour-blind can tell apart; greys for other and for what is too few.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
GREYS = ("#BBBBBB", "#E8E8E8")
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "nollclassify",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
# Ratios outside are drawn at the edge: a change of more than eight times is said in the table.
_RATIO_ENDS = (1 / 8, 8.0)
_LONGEST_LABEL = 34


@dataclass(frozen=True)
class Column:
    """One month of the picture of months: its parts by name, adding up to its total with the total's interval.

    `breaks`: its parts are others than those of the month before.
    """

    label: str
    parts: Mapping[str, float]
    total: float
    low: float
    high: float
    aim: float | None
    breaks: bool = False


@dataclass(frozen=True)
class Dot:
    """A ratio with its interval; None where there are too few to say."""

    ratio: float | None
    low: float
    high: float


def months_chart(columns: Sequence[Column | None], names: Sequence[str], y_label: str, aim_label: str) -> str:
    """Stacked columns by cause, one a month, from zero, with the total's interval and the aim's line; SVG text.

    Args:
        columns: one a month, in order; None for a month without data, which leaves a gap.
        names: the parts from the bottom up; the last two, other and too few, are grey.
        y_label, aim_label: of the axis and the aim's line.
    """
    with _figure(6.4, 4.4) as figure:
        axes = figure.subplots()
        there = [(x, column) for x, column in enumerate(columns) if column]
        bottom = np.zeros(len(there))
        used = [n for n in names if any(column.parts.get(n) for _, column in there)]
        for name in used:
            heights = np.array([column.parts.get(name, 0.0) for _, column in there])
            axes.bar(
                [x for x, _ in there], heights, bottom=bottom, color=colour(names, name), label=_label(name), width=0.78
            )
            bottom += heights
        spread = [[col.total - col.low for _, col in there], [col.high - col.total for _, col in there]]
        totals = [col.total for _, col in there]
        axes.errorbar([x for x, _ in there], totals, yerr=spread, color="#222222", capsize=4, lw=1.5, fmt="none")
        _aims(axes, there, aim_label)
        for x in (x for x, column in there if column.breaks):
            axes.axvline(x - 0.5, color="#222222", lw=1.2, ls=(0, (4, 3)))
        axes.set_xticks([x for x, _ in there], [column.label for _, column in there], fontsize=10)
        axes.set_xlim(-0.6, len(columns) - 0.4)
        axes.set_ylim(0, None)
        axes.set_ylabel(y_label)
        figure.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=10)
        return _svg(figure, "months")


def colour(names: Sequence[str], name: str) -> str:
    """The colour of a cause by its place in the list; the last two are grey."""
    place = list(names).index(name)
    grey = place - (len(names) - len(GREYS))
    return GREYS[grey] if grey >= 0 else PALETTE[place % len(PALETTE)]


def _aims(axes: Any, there: Sequence[tuple[int, Column]], label: str) -> None:
    named = False
    for x, column in there:
        if column.aim is not None:
            axes.plot(
                [x - 0.48, x + 0.48],
                [column.aim] * 2,
                color="black",
                lw=2,
                ls=(0, (3, 1)),
                label=None if named else label,
            )
            named = True


def changes_chart(
    rows: Sequence[tuple[str, Sequence[Dot | None]]], series: Sequence[str], x_label: str, few: str
) -> str:
    """Ratios with their intervals on a logarithmic axis, a line at 1 for unchanged; SVG text.

    Args:
        rows: name and one dot a series (None: no such comparison).
        series: names of the comparisons.
        x_label: of the axis.
        few: what stands where there are too few to say.
    """
    with _figure(6.4, 1.6 + 0.52 * len(rows)) as figure:
        axes = figure.subplots()
        offsets = np.linspace(-0.17, 0.17, len(series)) if len(series) > 1 else [0.0]
        for s, (name, offset) in enumerate(zip(series, offsets, strict=True)):
            style = {"color": PALETTE[(0, 5)[s % 2]], "marker": "os"[s % 2]}
            axes.plot([], [], lw=1.8, label=name, **style)
            for y, (_, dots) in enumerate(rows):
                _dot(axes, dots[s], y + offset, style, few)
        axes.axvline(1, color="#222222", lw=1)
        axes.set_xscale("log")
        axes.set_xlim(_RATIO_ENDS[0] * 0.93, _RATIO_ENDS[1] * 1.07)
        ticks = (0.125, 0.25, 0.5, 1, 2, 4, 8)
        axes.set_xticks(ticks, ["⅛", "¼", "½", "1", "2", "4", "8"])
        axes.minorticks_off()
        axes.set_yticks(range(len(rows)), [_label(name) for name, _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#DDDDDD", lw=0.8)
        axes.set_axisbelow(True)
        axes.set_xlabel(x_label)
        figure.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=10)
        return _svg(figure, "changes")


def _dot(axes: Any, dot: Dot | None, y: float, style: dict[str, str], few: str) -> None:
    if dot is None:
        return
    if dot.ratio is None:
        axes.text(1.04, y, few, va="center", fontsize=9, color="#555555", style="italic")
        return
    least, most = _RATIO_ENDS
    low, ratio, high = (min(max(v, least), most) for v in (dot.low, dot.ratio, dot.high))
    axes.plot([low, high], [y, y], color=style["color"], lw=1.8)
    axes.plot(ratio, y, ms=6, **style)
    for end, mark, beyond in ((least, "<", dot.low < least), (most, ">", dot.high > most)):
        if beyond:
            axes.plot(end, y, marker=mark, color=style["color"], ms=6)


def kinds_chart(panels: Sequence[tuple[str, Sequence[tuple[str, float]]]], x_label: str) -> str:
    """Bars from zero, one panel for each way of dividing (channel, source), largest first; SVG text."""
    sizes = [max(len(bars), 1) for _, bars in panels]
    with _figure(6.4, 1.3 + 0.36 * sum(sizes) + 0.3 * len(panels)) as figure:
        for axes, (title, bars) in zip(
            np.atleast_1d(figure.subplots(len(panels), 1, sharex=True, height_ratios=sizes)), panels, strict=True
        ):
            names, values = [_label(name) for name, _ in bars], [value for _, value in bars]
            axes.barh(range(len(bars)), values, color=PALETTE[0], height=0.7)
            axes.set_yticks(range(len(bars)), names)
            axes.invert_yaxis()
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
            for y, value in enumerate(values):
                axes.text(value + max(values) * 0.01, y, f"{value:.0f}", va="center", fontsize=10)
        axes.set_xlabel(x_label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        return _svg(figure, "kinds")


@contextmanager
def _figure(width: float, height: float) -> Iterator[Any]:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():  # type: ignore[arg-type]
        # The reader's browser draws the letters: what matplotlib's own font lacks is no fault.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield Figure(figsize=(width, height), layout="constrained")


def _label(name: str) -> str:
    """A name short enough for an axis, without what cannot be printed."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    return plain if len(plain) <= _LONGEST_LABEL else f"{plain[: _LONGEST_LABEL - 1]}…"


def _svg(figure: Any, name: str) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    # Several pictures stand in one page: each id gets its picture's name, for an id may stand there once only.
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text[text.index("<svg") :])
