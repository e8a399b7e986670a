"""FLOW: labelled files -> tables -> one HTML page, one Excel workbook and one tidy CSV file."""

from nollclassify.reporting.breakdown import Breakdown, report

__all__ = ["Breakdown", "report"]
