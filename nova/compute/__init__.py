# SPDX-License-Identifier: Apache-2.0
"""nova-compute: runs guests of one host. It holds no database credentials; it asks its cell's conductor."""
