# SPDX-License-Identifier: BSD-3-Clause
"""One page that tells a person who did not run it what was asked, and what came out."""

from ._report import html_report

__all__ = ["html_report"]
