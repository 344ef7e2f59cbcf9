# SPDX-License-Identifier: Apache-2.0
"""Live migration: a running guest goes to another host. Until ``switch`` it is the source's, and everything is undone;
from then on it runs at the destination, and there is only forward.

``examine``, ``arrive`` and ``leave`` are errands of ``choose`` and ``land``. They are steps of their own only where a
host does not do them when it is asked."""

from nova.workflow.shape import Shape, StepShape

LIVE_MIGRATION = Shape("live-migration", "Move a running server to another host.", (
    StepShape("choose", "api", "Choose a destination; claim there, and keep the old claim under the migration. Have "
              "the source examine the guest.",
              undo=True, event="conductor_live_migrate_instance"),
    StepShape("another", "api", "The destination refused: claim the next one.", branch=True,
              event="conductor_live_migrate_another"),
    StepShape("examine", "host", "Tell what the guest is made of.", place="source_compute", errand=True,
              event="compute_check_can_live_migrate_source"),
    StepShape("prepare", "host", "Check that the guest can run here; plug its network and make room for its disks.",
              undo=True, otherwise="another", place="dest_compute", event="compute_pre_live_migration"),
    StepShape("ask", "host", "The source is silent: does the guest run here?", branch=True, place="dest_compute",
              event="compute_ask_live_migration"),
    StepShape("migrate", "host", "Move memory and disks while the guest runs.", undo=True, place="source_compute",
              event="compute_live_migration"),
    StepShape("switch", "api", "The server and its ports belong to the destination.", sure=True, lean=True,
              event="conductor_live_migration_switch"),
    StepShape("land", "api", "Have the hosts do what follows, and release the source's claim.", sure=True),
    StepShape("arrive", "host", "Look after the guest that has arrived.", sure=True, place="dest_compute", errand=True,
              event="compute_post_live_migration_at_destination"),
    StepShape("leave", "host", "Remove what the guest left behind.", sure=True, place="source_compute", errand=True,
              event="compute_post_live_migration"),
    StepShape("settle", "api", "Release the source's claim.", sure=True, lean=True),
), deadline=6 * 3600.0, ability="LiveMigration")
