# SPDX-License-Identifier: Apache-2.0
"""Who may do what: the rules, the command that shows them, and every route against every persona."""
