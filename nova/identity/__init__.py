# SPDX-License-Identifier: Apache-2.0
"""The auth manager: users, projects, domains, roles, application credentials, the catalogue, and tokens.

:class:`nova.identity.manager.Identity` holds it all together. It is a library over the API database; HTTP is in
``nova.api.identity``.
"""
