# SPDX-License-Identifier: Apache-2.0
"""The benchmark of a compute cloud: HTTP only, so that any implementation can be measured. Imports nothing of ours."""
