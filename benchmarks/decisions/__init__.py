# SPDX-License-Identifier: BSD-3-Clause
"""How often a decision made from distances is right."""
