# SPDX-License-Identifier: BSD-3-Clause
"""What things cost, against a bare forward pass, a matrix product or another package."""
