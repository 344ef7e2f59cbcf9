# SPDX-License-Identifier: Apache-2.0
"""Objects and rows: the Store that hosts reach through their conductor, journals of operations, reads of servers."""
