# SPDX-License-Identifier: BSD-3-Clause
"""How many questions are needed, and which ones."""
