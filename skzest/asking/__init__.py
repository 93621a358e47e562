# SPDX-License-Identifier: BSD-3-Clause
"""Putting a plan to models: batches of masked copies go in, coefficients come out."""
