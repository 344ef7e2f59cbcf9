# SPDX-License-Identifier: Apache-2.0
"""Password and crash dump on a host."""

from __future__ import annotations

from nova import errors, states
from nova.compute.environment import HostEnvironment
from nova.compute.workflows.settling import settled
from nova.virt.interfaces import GuestAgent, Nmi
from nova.workflow import Result, Run
from nova.workflow.operations import CHANGE_PASSWORD, TRIGGER_CRASH_DUMP


def set_password(run: Run) -> Result:
    """For the user that the image names, else for the one that its system calls its administrator."""
    env: HostEnvironment = run.env
    env.driver.require(GuestAgent)
    password = (env.work.secrets or {}).get("admin_pass")
    if password is None:
        raise errors.HostFailure("The password did not reach the host: its conductor could not read it.")
    properties = env.server.image_properties or {}
    user = properties.get("os_admin_user") or ("Administrator" if properties.get("os_type") == "windows" else "root")
    env.driver.set_password(env.server.uuid, str(user), password)
    return Result(effect=settled(env, states.ACTIVE))


def not_set(run: Run) -> Result:
    """Where no agent answered nothing has changed. One that refused leaves a server of which nobody knows whether its
    owner can get in: that is an error."""
    silent = (run.row.fault or {}).get("code") in (errors.Conflict.http, errors.NotSupported.http)
    return Result(effect={"vm_state": states.ACTIVE if silent else states.ERROR, "task_state": None})


def interrupt(run: Run) -> Result:
    env: HostEnvironment = run.env
    env.driver.require(Nmi)
    env.driver.inject_nmi(env.server.uuid)
    return Result()


CHANGE_PASSWORD_ON_HOST = CHANGE_PASSWORD.bind("host", {"set_password": set_password}, failed=not_set)
TRIGGER_CRASH_DUMP_ON_HOST = TRIGGER_CRASH_DUMP.bind("host", {"interrupt": interrupt})
