# SPDX-License-Identifier: BSD-3-Clause
"""Scripts behind every figure in the documentation: ``python -m benchmarks`` lists them."""
