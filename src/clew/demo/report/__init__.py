"""The report of the demo: one HTML file with charts drawn as SVG here, and nothing from elsewhere."""

from clew.demo.report.page import page

__all__ = ["page"]
