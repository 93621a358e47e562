# SPDX-License-Identifier: BSD-3-Clause
"""One page that tells someone who did not run the comparison what was asked, and the result."""

from ._report import html_report
from ._result import HtmlReport

__all__ = ["HtmlReport", "html_report"]
