# SPDX-License-Identifier: Apache-2.0
"""A RabbitMQ broker on the loopback, with an epmd, a node name and data of its own."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import urllib.parse
import urllib.request
import zlib
from pathlib import Path
from typing import Any

from tests.services.process import Server, ServiceError, free_port

USER, PASSWORD = "nova", "secret"


class RabbitMQ:
    """``start()``, then ``create_vhost(name)`` gives a URL for :class:`nova.rpc.bus.OsloBus`."""

    kind = "rabbitmq"

    def __init__(self, **info: Any) -> None:
        self.server = RabbitMQServer(**info)
        self.port = self.server.port

    def start(self) -> None:
        self.server.start()

    @property
    def running(self) -> bool:
        process = self.server.process
        return process is not None and process.poll() is None

    def stop(self) -> None:
        """Stop the broker in an orderly way; what is durable stays for the next start."""
        self.server.stop()

    def remove(self) -> None:
        self.server.remove()
        if not self.server.foreign:
            self._remove_counters("/")

    def kill(self) -> None:
        self.server.kill()

    def freeze(self) -> None:
        """The broker stops answering but keeps its connections; ``thaw`` lets it go on."""
        self.server.kill(signal.SIGSTOP)

    def thaw(self) -> None:
        self.server.kill(signal.SIGCONT)

    def url(self, vhost: str = "/") -> str:
        return f"rabbit://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{urllib.parse.quote(vhost, '')}"

    def create_vhost(self, name: str) -> str:
        self.server.manage("PUT", "vhosts", name)
        return self.url(name)

    def delete_vhost(self, name: str) -> None:
        """Also cuts the connections to it."""
        self.server.manage("DELETE", "vhosts", name)
        self._remove_counters(name)

    def counters(self, vhost: str) -> list[Path]:
        """Buses count their queues in shared memory, in files whose names end with a sum of the URL."""
        word = f"{zlib.crc32(self.url(vhost).encode()):08x}"
        return list(Path("/dev/shm").glob(f"*-{word}*"))

    def _remove_counters(self, vhost: str) -> None:
        for file in self.counters(vhost):
            file.unlink(missing_ok=True)

    def queues(self, vhost: str) -> dict[str, int]:
        """The queues of a vhost and how many messages wait in each."""
        return {name: int(count) for name, count in self._queues(vhost, "messages").items()}

    def queue_types(self, vhost: str) -> dict[str, str]:
        return self._queues(vhost, "type")

    def wipe(self, vhost: str) -> None:
        """Everything in the vhost is gone, as after the loss of the broker's disk."""
        self.delete_vhost(vhost)
        self.create_vhost(vhost)

    def info(self) -> dict[str, Any]:
        """What another process needs to use this broker: ``RabbitMQ(**info)``."""
        return self.server.info()

    def _queues(self, vhost: str, column: str) -> dict[str, str]:
        listed = self.server.ctl("list_queues", "-p", vhost, "-q", "--no-table-headers", "name", column)
        return dict(line.split("\t", 1) for line in listed.splitlines() if "\t" in line)


class RabbitMQServer(Server):
    """With arguments: a broker that another process has started and will stop."""

    user = "rabbitmq"

    def __init__(self, port: int | None = None, management: int = 0, epmd: int = 0, directory: str = "") -> None:
        self.foreign = port is not None
        self.mapper: subprocess.Popen[bytes] | None = None
        if port is not None:
            self.port, self.management, self.epmd, self.directory = port, management, epmd, Path(directory)
            self.process = None
            return
        super().__init__()
        self.epmd, self.distribution, self.management = free_port(), free_port(), free_port()

    @property
    def node(self) -> str:
        return f"nova{self.port}@localhost"

    def info(self) -> dict[str, Any]:
        return {"port": self.port, "management": self.management, "epmd": self.epmd,
                "directory": str(self.directory)}

    def start(self) -> None:
        if self.foreign:
            raise ServiceError("this RabbitMQ was started by another process")
        broker = _program("rabbitmq-server")
        self.files()
        self._start_epmd()
        self.launch(broker)
        self.wait_until(self._answers, 120)

    def files(self) -> None:
        config = self.directory / "rabbitmq.conf"
        config.write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\nmanagement.tcp.ip = 127.0.0.1\n"
                          f"management.tcp.port = {self.management}\ndefault_user = {USER}\n"
                          f"default_pass = {PASSWORD}\nloopback_users = none\nlog.console = true\n"
                          "log.console.level = warning\nlog.file = false\nvm_memory_high_watermark.absolute = 1GB\n"
                          "disk_free_limit.absolute = 50MB\n")
        (self.directory / "enabled_plugins").write_text("[rabbitmq_management].\n")
        for file in (config, self.directory / "enabled_plugins"):
            file.chmod(0o644)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if not self.foreign:
            super().stop(number)
            self._stop_epmd()

    def remove(self) -> None:
        """At once: an orderly stop takes six seconds, and nobody will read the data again."""
        if not self.foreign:
            self.kill()
            super().remove()

    def ctl(self, *command: str) -> str:
        return self.run(_program("rabbitmqctl"), "-n", self.node, *command)

    def manage(self, method: str, kind: str, name: str) -> None:
        """Ask the management plug-in; rabbitmqctl takes a second for the same."""
        secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.management}/api/{kind}/{urllib.parse.quote(name, '')}", method=method,
            headers={"Authorization": f"Basic {secret}", "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            answer.read()

    def _start_epmd(self) -> None:
        """The port mapper of Erlang, as a child of ours: the one that the broker would start outlives it."""
        if self.mapper is None:
            epmd = shutil.which("epmd", path="/usr/bin:/usr/local/bin:/usr/lib/erlang/bin")
            if epmd is None:
                raise ServiceError("epmd is not installed: apt-get install erlang-base")
            self.mapper = subprocess.Popen([epmd, "-port", str(self.epmd), "-address", "127.0.0.1"], cwd="/",
                                           env=self._environment(), stdin=subprocess.DEVNULL,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._identity())
            self.wait_until(lambda: not _free(self.epmd), 10)

    def _stop_epmd(self) -> None:
        if self.mapper is not None:
            self.mapper.kill()
            self.mapper.wait()
            self.mapper = None

    def _answers(self) -> bool:
        """Do the broker and its management open the conversation?"""
        if _free(self.management):
            return False
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as probe:
                probe.sendall(b"AMQP\x00\x00\x09\x01")
                return probe.recv(1) == b"\x01"
        except OSError:
            return False

    def _environment(self) -> dict[str, str]:
        here = self.directory
        own = {
            "RABBITMQ_NODENAME": self.node, "RABBITMQ_CONFIG_FILE": str(here / "rabbitmq"),
            "RABBITMQ_MNESIA_BASE": str(here / "mnesia"), "RABBITMQ_LOG_BASE": str(here / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(here / "enabled_plugins"), "RABBITMQ_PID_FILE": str(here / "pid"),
            "RABBITMQ_CONF_ENV_FILE": str(here / "none.conf"), "ERL_EPMD_PORT": str(self.epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1", "HOME": str(here),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
        }
        if not self.foreign:
            own["RABBITMQ_DIST_PORT"] = str(self.distribution)
        return super()._environment() | own


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _program(name: str) -> Path:
    """Debian's wrappers in /usr/sbin refuse users other than root and rabbitmq; the scripts themselves do not."""
    for place in ("/usr/lib/rabbitmq/bin", "/usr/lib/rabbitmq/sbin"):
        if os.access(found := Path(place) / name, os.X_OK):
            return found
    other = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/opt/rabbitmq/sbin")
    if other is None:
        raise ServiceError("RabbitMQ is not installed: apt-get install rabbitmq-server")
    return Path(other)
