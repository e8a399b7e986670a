"""FLOW: labelled files -> tidy table -> HTML pages, one Excel workbook and one CSV file."""

from nollclassify.reporting.breakdown import Breakdown, report

__all__ = ["Breakdown", "report"]
