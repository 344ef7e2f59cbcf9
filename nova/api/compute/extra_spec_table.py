# SPDX-License-Identifier: Apache-2.0
"""The extra specs that are known, one a line: name, kind of value, and what else holds for it. Nothing is checked here.

Names may have parameters: ``{id}`` is a number, ``{filter}`` further parts after colons, ``{key}`` anything, and
``{group}`` the suffix of a group of resources, which may be empty. Kinds: ``text``, ``boolean``, ``integer`` with the
least value, ``words`` with those that are allowed, and ``pattern`` with an expression that the whole value must match.
"""

from __future__ import annotations

from nova.placement.names import standard_classes, standard_traits

_CPUS = r"\^?\d+(?:-\d+)?(?:,\^?\d+(?:-\d+)?)*"

LINES = rf"""
accel:device_profile                text
aggregate_instance_extra_specs:{{key}}  text
capabilities:cpu_info{{filter}}       text
capabilities:instances{{filter}}      text
capabilities:limits{{filter}}         text
capabilities:metrics{{filter}}        text
capabilities:nodename{{filter}}       text
capabilities:numa_topology{{filter}}  text
capabilities:pci_device_pools{{filter}}  text
capabilities:pci_stats{{filter}}      text
capabilities:stats{{filter}}          text
capabilities:supported_hv_specs{{filter}}  text
capabilities:supported_instances{{filter}}  text
capabilities:aggregates             text
capabilities:cell_uuid              text
capabilities:cpu_allocation_ratio   text
capabilities:current_workload       text
capabilities:disk_allocation_ratio  text
capabilities:disk_available_least   text
capabilities:disk_mb_used           text
capabilities:failed_builds          text
capabilities:free_disk_gb           text
capabilities:free_disk_mb           text
capabilities:free_ram_mb            text
capabilities:host                   text
capabilities:host_ip                text
capabilities:hypervisor_hostname    text
capabilities:hypervisor_type        text
capabilities:hypervisor_version     text
capabilities:id                     text
capabilities:local_gb               text
capabilities:local_gb_used          text
capabilities:mapped                 text
capabilities:memory_mb              text
capabilities:memory_mb_used         text
capabilities:num_instances          text
capabilities:num_io_ops             text
capabilities:ram_allocation_ratio   text
capabilities:running_vms            text
capabilities:service_id             text
capabilities:total_usable_disk_gb   text
capabilities:total_usable_ram_mb    text
capabilities:updated                text
capabilities:uuid                   text
capabilities:vcpus                  text
capabilities:vcpus_total            text
capabilities:vcpus_used             text
group_policy                        words    none isolate
hide_hypervisor_id                  boolean
hw:boot_menu                        boolean
hw:cpu_cores                        integer  1
hw:cpu_dedicated_mask               pattern  {_CPUS}
hw:cpu_max_cores                    integer  1
hw:cpu_max_sockets                  integer  1
hw:cpu_max_threads                  integer  1
hw:cpu_policy                       words    dedicated shared mixed
hw:cpu_realtime                     boolean
hw:cpu_realtime_mask                pattern  {_CPUS}
hw:cpu_sockets                      integer  1
hw:cpu_thread_policy                words    prefer isolate require
hw:cpu_threads                      integer  1
hw:emulator_threads_policy          words    isolate share
hw:ephemeral_encryption             boolean
hw:ephemeral_encryption_format      words    plain luks luksv2
hw:hide_hypervisor_id               boolean
hw:locked_memory                    boolean
hw:mem_encryption                   boolean
hw:mem_encryption_model             words    amd-sev amd-sev-es amd-sev-snp
hw:mem_page_size                    pattern  large|small|any|\d+(?:[kKMGT]i?)?(?:b|bit|B)?
hw:numa_cpus.{{id}}                   pattern  {_CPUS}
hw:numa_mem.{{id}}                    integer  1
hw:numa_nodes                       integer  1
hw:pci_numa_affinity_policy         words    required preferred legacy socket
hw:pmem                             pattern  [a-zA-Z0-9_]+(?:,[a-zA-Z0-9_]+)*,?
hw:pmu                              boolean
hw:redirected_usb_ports             integer  0
hw:serial_port_count                integer  0
hw:sound_model                      words    sb16 es1370 pcspk ac97 ich6 ich9 usb virtio
hw:tpm_model                        words    tpm-tis tpm-crb
hw:tpm_secret_security              words    user host deployment
hw:tpm_version                      words    1.2 2.0
hw:usb_model                        words    none piix3-uhci piix4-uhci ehci ich9-ehci1 vt82c686b-uhci pci-ohci nec-xhci qemu-xhci
hw:vif_multiqueue_enabled           boolean
hw:viommu_model                     words    intel smmuv3 virtio auto
hw:virtio_packed_ring               boolean
hw:watchdog_action                  words    none pause poweroff reset disabled
hw_rng:allowed                      boolean
hw_rng:rate_bytes                   integer  0
hw_rng:rate_period                  integer  0
hw_video:ram_max_mb                 integer  0
os:secure_boot                      words    required optional disabled
pci_passthrough:alias               text
quota:cpu_limit                     integer
quota:cpu_period                    integer  0
quota:cpu_quota                     integer  0
quota:cpu_reservation               integer
quota:cpu_shares                    integer  0
quota:cpu_shares_level              text
quota:cpu_shares_share              integer
quota:disk_io_limit                 integer
quota:disk_io_reservation           integer
quota:disk_io_shares_level          text
quota:disk_io_shares_share          integer
quota:disk_read_bytes_sec           integer  0
quota:disk_read_iops_sec            integer  0
quota:disk_total_bytes_sec          integer  0
quota:disk_total_iops_sec           integer  0
quota:disk_write_bytes_sec          integer  0
quota:disk_write_iops_sec           integer  0
quota:memory_limit                  integer
quota:memory_reservation            integer
quota:memory_shares_level           text
quota:memory_shares_share           integer
quota:vif_inbound_average           integer  0
quota:vif_inbound_burst             integer  0
quota:vif_inbound_peak              integer  0
quota:vif_limit                     integer
quota:vif_outbound_average          integer  0
quota:vif_outbound_burst            integer  0
quota:vif_outbound_peak             integer  0
quota:vif_reservation               integer
quota:vif_shares_level              text
quota:vif_shares_share              integer
vmware:hw_version                   text
vmware:storage_policy               text
"""  # noqa: E501  # a table reads best with one entry on a line


def lines() -> list[str]:
    """All entries: those above, and one for each standard trait and resource class, and for custom ones."""
    traits = [f"trait{{group}}:{name} words required forbidden"
              for name in (*sorted(standard_traits()), "CUSTOM_{custom}")]
    classes = [f"resources{{group}}:{name} integer 0" for name in (*sorted(standard_classes()), "CUSTOM_{custom}")]
    return [*LINES.strip().splitlines(), *traits, *classes]
