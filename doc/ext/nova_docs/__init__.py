# SPDX-License-Identifier: Apache-2.0
"""Directives that write the parts of the documentation which the code knows best: routes, options, steps, rows.

Nothing here is kept by hand, and nothing generated is committed.
"""

from __future__ import annotations

from typing import Any


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx. The modules are imported here, so that one can be run without the others."""
    from nova_docs import decisions, notifications, operations, options, packages, routes, rules

    app.add_directive("nova-routes", routes.RoutesDirective)
    app.add_directive("nova-options", options.OptionsDirective)
    app.add_directive("nova-operations", operations.OperationsDirective)
    app.add_directive("nova-transitions", operations.TransitionsDirective)
    app.add_directive("nova-notifications", notifications.NotificationsDirective)
    app.add_directive("nova-unversioned", notifications.UnversionedDirective)
    app.add_directive("nova-payloads", notifications.PayloadsDirective)
    app.add_directive("nova-rules", rules.RulesDirective)
    app.add_directive("nova-rows", packages.RowsDirective)
    app.add_directive("nova-packages", packages.PackagesDirective)
    app.add_directive("nova-decisions", decisions.DecisionsDirective)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
