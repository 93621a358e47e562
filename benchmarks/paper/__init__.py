# SPDX-License-Identifier: BSD-3-Clause
"""The experiments of the paper, repeated: one module for each figure, one for the models."""
