# SPDX-License-Identifier: Apache-2.0
"""The libvirt driver: which daemon, how guests are run, where their disks lie."""

from __future__ import annotations

from oslo_config import cfg

GROUP: str | None = "libvirt"

OPTS: list[cfg.Opt] = [
    cfg.StrOpt("connection_uri", default="qemu:///system", help="The libvirt daemon of this host."),
    cfg.StrOpt("virt_type", default="auto", choices=[
                   ("auto", "KVM if /dev/kvm opens and the processor has vmx or svm, else emulation"),
                   ("kvm", "run guests on the processor"),
                   ("qemu", "emulate the processor: slow, works everywhere")],
               help="How guests are run."),
    cfg.StrOpt("instances_path", sample_default="$state_path/instances",
               help="Where disks and console logs of guests lie, and base images in _base. The user that QEMU runs as "
                    "must be able to pass through all directories above it."),
    cfg.StrOpt("cpu_mode", default="auto", choices=[
                   ("auto", "host-model with KVM, none with emulation"),
                   ("host-model", "a named model close to the host's processor; guests can migrate"),
                   ("host-passthrough", "the host's processor as it is"),
                   ("maximum", "all that the hypervisor can do"),
                   ("custom", "a model that cpu_models names"),
                   ("none", "what the hypervisor gives by itself")],
               help="The processor that guests see."),
    cfg.ListOpt("cpu_models", deprecated_name="cpu_model", default=[],
                help="The processor models with cpu_mode = custom, as `virsh cpu-models` lists them. A guest gets the "
                     "first that has every trait of processors that its flavor or image requires, else the first of "
                     "all."),
    cfg.ListOpt("cpu_model_extra_flags", default=[], sample_default="+pcid,-vmx",
                help="Features that guests have beside those of their model, or with a minus sign have not. Needs "
                     "another cpu_mode than none."),
    cfg.ListOpt("hw_machine_type", default=[], sample_default="x86_64=q35,aarch64=virt",
                help="The machine of guests by architecture, where the image has no property hw_machine_type. Unset: "
                     "pc, or q35 with UEFI."),
    cfg.StrOpt("images_type", default="qcow2", choices=[
                   ("qcow2", "files that keep what differs from the base image, which many guests share"),
                   ("flat", "qcow2 files of their own, without a base"),
                   ("raw", "raw files of their own"),
                   ("lvm", "logical volumes in images_volume_group")],
               help="How disks of new guests are kept. Guests that are there stay as they were made."),
    cfg.StrOpt("images_volume_group", help="The LVM volume group of guests' disks with images_type = lvm."),
    cfg.StrOpt("volume_clear", default="zero", choices=["zero", "none"],
               help="What is written over a logical volume before it goes."),
    cfg.StrOpt("disk_cachemode", default="auto",
               choices=["auto", "none", "writeback", "writethrough", "directsync", "unsafe"],
               help="How the host caches guest disks; auto is none where the file system can do direct I/O, else "
                    "writeback."),
    cfg.StrOpt("base_image_format", default="qcow2", choices=["qcow2", "raw"],
               help="The format in which images are kept on the host: raw is a little faster and takes more room."),
    cfg.StrOpt("vnc_listen", default="127.0.0.1", help="The address that graphical consoles listen on."),
    cfg.IntOpt("wait_soft_reboot_seconds", default=120, min=0,
               help="Seconds that a guest gets for a soft reboot before it becomes a hard one."),
    cfg.IntOpt("tb_cache_mib", default=64, min=0,
               help="Memory of an emulated guest's translation cache in MiB; 0 leaves it to QEMU, which takes up to "
                    "1 GiB."),
    cfg.IntOpt("mem_stats_period_seconds", default=10, min=0,
               help="How often guests report their memory use; 0 turns it off."),
    cfg.PortOpt("handover_port", default=8772,
                help="TCP port at my_ip where other hosts fetch the disks of guests that move to them while they are "
                     "stopped: plain HTTP, each file by a signed URL. Only open while disks wait; 0 takes any port, "
                     "and a move then begins anew when this host is restarted meanwhile."),
    cfg.IntOpt("connect_timeout", default=30, min=1,
               help="Seconds until a libvirt daemon that does not answer is given up."),
    cfg.IntOpt("device_detach_attempts", default=8, min=1,
               help="How often a running guest is asked to let go of a device before the detach fails."),
    cfg.IntOpt("device_detach_timeout", default=20, min=1,
               help="Seconds that a guest gets for each request to let go of a device."),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS, group=GROUP)
