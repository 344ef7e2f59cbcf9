# SPDX-License-Identifier: Apache-2.0
"""Networks, ports and addresses of a cloud, over the API database. What a host makes of them is ``nova.network``."""
