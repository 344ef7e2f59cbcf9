# SPDX-License-Identifier: Apache-2.0
"""What the answers of the Compute API hold, by microversion, for its OpenAPI document. Requests stand at the routes.

A record is a list of words ``name=type``. Types: ``s`` string, ``i`` integer, ``n`` number, ``b`` boolean,
``o`` object, ``a`` list, ``L`` links, ``*`` anything. ``?`` after it: may be null; ``~``: not in every answer;
``@2.9`` or ``@2.9-2.46``: only at these microversions.
"""

from __future__ import annotations

import re
from typing import Any

from nova.web.versions import Version, parse

Schema = dict[str, Any]
_WORD = re.compile(r"(?P<name>[^=]+)=(?P<type>[sinboaL*])(?P<null>\?)?(?P<some>~)?(?:@(?P<first>[\d.]+)?"
                   r"(?P<to>-)?(?P<last>[\d.]+)?)?$")
_TYPES: dict[str, Schema] = {"s": {"type": "string"}, "i": {"type": "integer"}, "n": {"type": "number"},
                             "b": {"type": "boolean"}, "o": {"type": "object"}, "a": {"type": "array"},
                             "L": {"type": "array", "items": {"$ref": "#/components/schemas/link"}}, "*": {}}

RECORDS = {
    "link": "rel=s href=s type=s~",
    "version": "id=s status=s version=s min_version=s updated=s links=L media-types=a~",
    "brief_server": "id=s name=s~ status=s~ tenant_id=s~ created=s~ links=L",
    "created_server": "id=s links=L OS-DCF:diskConfig=s security_groups=a adminPass=s~",
    # With a silent cell, a server is shown by what is known without it.
    "server": """id=s name=s~ status=s tenant_id=s user_id=s~ created=s links=L updated=s~ metadata=o~ image=*~
        flavor=o~ addresses=o~ accessIPv4=s~ accessIPv6=s~ hostId=s~ progress=i~ fault=o~ adminPass=s~
        OS-DCF:diskConfig=s~ OS-EXT-AZ:availability_zone=s?~ config_drive=s~ key_name=s?~ OS-SRV-USG:launched_at=s?~
        OS-SRV-USG:terminated_at=s?~ OS-EXT-STS:task_state=s?~ OS-EXT-STS:vm_state=s~ OS-EXT-STS:power_state=i~
        os-extended-volumes:volumes_attached=a~ security_groups=a~ OS-EXT-SRV-ATTR:host=s?~
        OS-EXT-SRV-ATTR:instance_name=s~ OS-EXT-SRV-ATTR:hypervisor_hostname=s?~ OS-EXT-SRV-ATTR:kernel_id=s?~@2.3
        OS-EXT-SRV-ATTR:launch_index=i?~@2.3 OS-EXT-SRV-ATTR:ramdisk_id=s?~@2.3 OS-EXT-SRV-ATTR:reservation_id=s?~@2.3
        OS-EXT-SRV-ATTR:root_device_name=s?~@2.3 OS-EXT-SRV-ATTR:user_data=s?~@2.3 OS-EXT-SRV-ATTR:hostname=s?~@2.3
        locked=b~@2.9 host_status=s~@2.16 description=s?~@2.19 tags=a~@2.26 trusted_image_certificates=a?~@2.63
        server_groups=a~@2.71 locked_reason=s?~@2.73 pinned_availability_zone=s?~@2.96 scheduler_hints=o~@2.100""",
    "brief_flavor": "id=s name=s links=L description=s?@2.55",
    "flavor": """id=s name=s ram=i disk=i swap=* vcpus=i links=L OS-FLV-EXT-DATA:ephemeral=i
        os-flavor-access:is_public=b OS-FLV-DISABLED:disabled=b@-2.101 rxtx_factor=n@-2.101 description=s?@2.55
        extra_specs=o~@2.61""",
    "flavor_access": "flavor_id=s tenant_id=s",
    "keypair": """name=s public_key=s fingerprint=s type=s@2.2 user_id=s~ private_key=s~ id=i~ created_at=s~ deleted=b~
        deleted_at=s?~ updated_at=s?~""",
    "aggregate": """id=i name=s hosts=a~ metadata=o~ availability_zone=s? created_at=s updated_at=s? deleted_at=s?
        deleted=b uuid=s@2.41""",
    "server_group": """id=s name=s members=a metadata=o@-2.63 policies=a@-2.63 policy=s@2.64 rules=o@2.64
        project_id=s@2.13 user_id=s@2.13""",
    "service": """binary=s host=s status=s id=*~ zone=s~ state=s~ updated_at=s?~ disabled_reason=s?~
        forced_down=b~@2.11""",
    "hypervisor": """id=* hypervisor_hostname=s state=s status=s servers=a~ service=o~ host_ip=s?~ hypervisor_type=s~
        hypervisor_version=i~ vcpus=i~@-2.87 memory_mb=i~@-2.87 local_gb=i~@-2.87 vcpus_used=i~@-2.87
        memory_mb_used=i~@-2.87 local_gb_used=i~@-2.87 free_ram_mb=i~@-2.87 free_disk_gb=i~@-2.87
        running_vms=i~@-2.87 current_workload=i?~@-2.87 disk_available_least=i?~@-2.87 cpu_info=*~@-2.87
        uptime=s?~""",
    "availability_zone": "zoneName=s zoneState=o hosts=o?",
    "quota_set": """id=s~ instances=* cores=* ram=* metadata_items=* key_pairs=* server_groups=*~
        server_group_members=*~ injected_files=*~@-2.56 injected_file_content_bytes=*~@-2.56
        injected_file_path_bytes=*~@-2.56""",
    "limits": "rate=a absolute=o",
    "migration": """id=i instance_uuid=s? status=s created_at=s updated_at=s? links=L~@2.23 migration_type=s?~@2.23
        uuid=s~@2.59 user_id=s?~@2.80 project_id=s?~@2.80""",
    "live_migration": "id=i status=s server_uuid=s created_at=s updated_at=s? uuid=s~@2.59",
    "action": """action=s instance_uuid=s request_id=s user_id=s? project_id=s? start_time=s message=s? events=a~
        updated_at=s@2.58""",
    "interface": "net_id=s port_id=s mac_addr=s port_state=s fixed_ips=a? tag=s?~@2.70",
    "attachment": """volumeId=s serverId=s device=s? id=s@-2.88 tag=s?@2.70 delete_on_termination=b@2.79
        attachment_id=s?@2.89 bdm_uuid=s@2.89""",
    "network": "id=s label=s? cidr=*",
    "security_group": "id=* name=s description=s? tenant_id=s rules=a",
    "security_group_rule": "id=* parent_group_id=* ip_protocol=s? from_port=i? to_port=i? group=o ip_range=o",
    "floating_ip": "id=* ip=s pool=s? instance_id=s? fixed_ip=s?",
    "extension": "alias=s name=s description=s namespace=s updated=s links=a",
    "usage": """tenant_id=s start=s stop=s total_hours=n total_vcpus_usage=n total_memory_mb_usage=n
        total_local_gb_usage=n server_usages=a~""",
    "image": """id=s name=s? links=L status=s~ progress=i~ minDisk=i~ minRam=i~ metadata=o~ created=s~ updated=s~
        server=o~""",
    "host": "host_name=s service=s zone=s",
    "remote_console": "protocol=s type=s url=s",
}

#: (method, path, variable names left out) → what the answer holds. A name in brackets is a list; ``x: y`` when the
#: member is called otherwise than the record.
ANSWERS = {
    "GET /versions/{}": "version", "GET /": "version",
    "GET /servers": "servers: [brief_server]", "GET /servers/detail": "servers: [server]", "GET /servers/{}": "server",
    "PUT /servers/{}": "server", "POST /servers/{}/action rebuild": "server",
    "GET /flavors": "flavors: [brief_flavor]", "GET /flavors/detail": "flavors: [flavor]", "GET /flavors/{}": "flavor",
    "POST /flavors": "flavor", "PUT /flavors/{}": "flavor", "GET /flavors/{}/os-extra_specs": "extra_specs: o",
    "POST /flavors/{}/os-extra_specs": "extra_specs: o", "GET /flavors/{}/os-extra_specs/{}": "o",
    "PUT /flavors/{}/os-extra_specs/{}": "o", "GET /flavors/{}/os-flavor-access": "flavor_access: [flavor_access]",
    "POST /flavors/{}/action addTenantAccess": "flavor_access: [flavor_access]",
    "POST /flavors/{}/action removeTenantAccess": "flavor_access: [flavor_access]",
    "GET /os-keypairs": "keypairs: a", "POST /os-keypairs": "keypair", "GET /os-keypairs/{}": "keypair",
    "GET /os-aggregates": "aggregates: [aggregate]", "POST /os-aggregates": "aggregate",
    "GET /os-aggregates/{}": "aggregate", "PUT /os-aggregates/{}": "aggregate",
    "POST /os-aggregates/{}/action add_host": "aggregate", "POST /os-aggregates/{}/action remove_host": "aggregate",
    "POST /os-aggregates/{}/action set_metadata": "aggregate",
    "GET /os-server-groups": "server_groups: [server_group]", "POST /os-server-groups": "server_group",
    "GET /os-server-groups/{}": "server_group", "GET /os-services": "services: [service]",
    "GET /os-hypervisors": "hypervisors: [hypervisor]", "GET /os-hypervisors/detail": "hypervisors: [hypervisor]",
    "GET /os-hypervisors/{}": "hypervisor", "GET /os-hypervisors/statistics": "hypervisor_statistics: o",
    "GET /os-hypervisors/{}/search": "hypervisors: [hypervisor]",
    "GET /os-hypervisors/{}/servers": "hypervisors: [hypervisor]", "GET /os-hypervisors/{}/uptime": "hypervisor",
    "GET /os-availability-zone": "availabilityZoneInfo: [availability_zone]",
    "GET /os-availability-zone/detail": "availabilityZoneInfo: [availability_zone]",
    "GET /os-quota-sets/{}": "quota_set", "PUT /os-quota-sets/{}": "quota_set",
    "GET /os-quota-sets/{}/detail": "quota_set", "GET /os-quota-sets/{}/defaults": "quota_set",
    "GET /os-quota-class-sets/{}": "quota_class_set: quota_set",
    "PUT /os-quota-class-sets/{}": "quota_class_set: quota_set", "GET /limits": "limits",
    "GET /os-migrations": "migrations: [migration]", "GET /servers/{}/migrations": "migrations: [live_migration]",
    "GET /servers/{}/migrations/{}": "migration: live_migration",
    "GET /servers/{}/os-instance-actions": "instanceActions: [action]",
    "GET /servers/{}/os-instance-actions/{}": "instanceAction: action",
    "GET /servers/{}/os-interface": "interfaceAttachments: [interface]",
    "POST /servers/{}/os-interface": "interfaceAttachment: interface",
    "GET /servers/{}/os-interface/{}": "interfaceAttachment: interface",
    "GET /servers/{}/os-volume_attachments": "volumeAttachments: [attachment]",
    "GET /servers/{}/os-volume_attachments/{}": "volumeAttachment: attachment",
    "GET /servers/{}/os-security-groups": "security_groups: [security_group]",
    "GET /servers/{}/metadata": "metadata: o", "POST /servers/{}/metadata": "metadata: o",
    "PUT /servers/{}/metadata": "metadata: o", "GET /servers/{}/metadata/{}": "meta: o",
    "PUT /servers/{}/metadata/{}": "meta: o", "GET /servers/{}/ips": "addresses: o", "GET /servers/{}/ips/{}": "o",
    "GET /servers/{}/tags": "tags: a", "PUT /servers/{}/tags": "tags: a", "GET /servers/{}/diagnostics": "o",
    "GET /servers/{}/topology": "nodes: a", "GET /servers/{}/os-server-password": "password: s",
    "GET /servers/{}/shares": "shares: a", "POST /servers/{}/remote-consoles": "remote_console",
    "POST /servers/{}/action os-getConsoleOutput": "output: s", "GET /extensions": "extensions: [extension]",
    "GET /extensions/{}": "extension", "GET /os-simple-tenant-usage": "tenant_usages: [usage]",
    "GET /os-simple-tenant-usage/{}": "tenant_usage: o", "POST /os-server-external-events": "events: a",
    "GET /os-instance_usage_audit_log": "instance_usage_audit_logs: o",
    "GET /os-instance_usage_audit_log/{}": "instance_usage_audit_log: o", "GET /images": "images: [image]",
    "GET /images/detail": "images: [image]", "GET /images/{}": "image", "GET /images/{}/metadata": "metadata: o",
    "GET /images/{}/metadata/{}": "meta: o", "GET /os-networks": "networks: [network]",
    "GET /os-networks/{}": "network", "GET /os-tenant-networks": "networks: [network]",
    "GET /os-tenant-networks/{}": "network",
    "GET /os-security-groups": "security_groups: [security_group]", "POST /os-security-groups": "security_group",
    "GET /os-security-groups/{}": "security_group", "PUT /os-security-groups/{}": "security_group",
    "POST /os-security-group-rules": "security_group_rule", "GET /os-floating-ip-pools": "floating_ip_pools: a",
    "GET /os-floating-ips": "floating_ips: [floating_ip]", "POST /os-floating-ips": "floating_ip",
    "GET /os-floating-ips/{}": "floating_ip", "GET /os-hosts": "hosts: [host]", "GET /os-hosts/{}": "host: a",
}


def record(words: str, version: Version) -> Schema:
    """The schema of a record at ``version``."""
    properties: Schema = {}
    required: list[str] = []
    for word in words.split():
        found = _WORD.match(word)
        if found is None:
            raise ValueError(f"{word!r} is not a member of a record")
        if _absent(found, version):
            continue
        schema = dict(_TYPES[found["type"]])
        if found["null"]:
            schema = {"anyOf": [schema, {"type": "null"}]} if "items" in schema else {"type": [schema["type"], "null"]}
        properties[found["name"]] = schema
        if not found["some"]:
            required.append(found["name"])
    made: Schema = {"type": "object", "properties": properties}
    return made | {"required": required} if required else made


def _absent(found: re.Match[str], version: Version) -> bool:
    first, last = found["first"], found["last"]
    return bool(first and version < parse(first) or last and version > parse(last))


def components(version: Version) -> dict[str, Schema]:
    """The schemas that answers refer to."""
    return {name: record(words, version) for name, words in RECORDS.items()}


def answer(operation: str) -> Schema | None:
    """The schema of an operation's answer (``METHOD /path/{} action``); None when nothing is said of it."""
    told = ANSWERS.get(operation)
    if told is None:
        return None
    if told in _TYPES:
        return _TYPES[told]
    member, _, kind = told.partition(": ")
    kind = kind or member
    inner: Schema
    if kind in _TYPES:
        inner = _TYPES[kind]
    elif kind.startswith("["):
        inner = {"type": "array", "items": {"$ref": f"#/components/schemas/{kind.strip('[]')}"}}
    else:
        inner = {"$ref": f"#/components/schemas/{kind}"}
    properties = {member: inner}
    if kind.startswith("["):
        properties[f"{member}_links"] = _TYPES["L"]
    return {"type": "object", "required": [member], "properties": properties}
