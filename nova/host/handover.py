# SPDX-License-Identifier: Apache-2.0
"""Files that a host gives to another one that was told a signed URL: HTTP, nothing but GET, nothing but these files.

The URL names a file, a time and a signature by a key that never leaves the host; it holds over restarts.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import pathlib
import re
import secrets
import socket
import urllib.parse

from nova import concurrency, errors
from nova.host import files

LOG = logging.getLogger(__name__)

SUFFIX = ".send"
CHUNK = 1 << 20
_HEAD = 8192
_PATH = re.compile(r"/([0-9A-Za-z_.-]+)/([a-z0-9.]+)\Z")
_RANGE = re.compile(r"^range: *bytes=(\d+)-\s*$", re.IGNORECASE | re.MULTILINE)
#: Seconds that a peer may be silent, and that an accept waits before it looks whether to end.
SILENCE, LOOK = 30.0, 0.5
_WORKERS = 4


class Handover:
    """Gives out ``root``/DIRECTORY/NAME.send as /DIRECTORY/NAME. ``key`` is made when it is not there."""

    def __init__(self, root: pathlib.Path, key: pathlib.Path, host: str, port: int) -> None:
        self._root, self._key, self._host, self._port = root, key, host, port
        self._lock = concurrency.Lock()
        self._listening: socket.socket | None = None
        self._task: concurrency.Task | None = None
        self._pool: concurrency.Pool | None = None

    def url(self, directory: str, name: str, valid: float) -> str:
        """Where another host gets the file for ``valid`` seconds. Begins to listen."""
        port = self.listen()
        expires = int(concurrency.time() + valid)
        query = urllib.parse.urlencode({"expires": expires, "signature": self._sign(directory, name, str(expires))})
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{port}/{directory}/{name}?{query}"

    def listen(self) -> int:
        """The port that is listened on, from now on. :class:`errors.HostFailure` when it cannot be had."""
        with self._lock:
            if self._listening is None:
                family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
                try:
                    self._listening = socket.create_server((self._host, self._port), family=family)
                except OSError as e:
                    raise errors.HostFailure(f"Disks cannot be given to other hosts at {self._host}:{self._port}: "
                                             f"{e.strerror}.", retry=False) from e
                self._listening.settimeout(LOOK)
                self._pool = concurrency.make_pool(_WORKERS, "handover")
                self._task = concurrency.spawn(self._accept, self._listening, self._pool, name="handover")
            port: int = self._listening.getsockname()[1]
            return port

    def stop(self) -> None:
        with self._lock:
            listening, self._listening = self._listening, None
        if listening is not None and self._task is not None and self._pool is not None:
            self._task.join(5)
            listening.close()
            self._pool.stop(1)

    def _accept(self, listening: socket.socket, pool: concurrency.Pool) -> None:
        while self._listening is listening:
            try:
                peer, _ = listening.accept()
            except TimeoutError:
                continue
            except OSError as e:
                LOG.warning("no more disks are given out: %s", e)
                return
            pool.submit(self._serve, peer)

    def _serve(self, peer: socket.socket) -> None:
        peer.settimeout(SILENCE)
        with peer:
            try:
                self._answer(peer)
            except OSError as e:
                LOG.info("a host that fetches a disk went away: %s", e)

    def _answer(self, peer: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            more = peer.recv(_HEAD)
            head += more
            if not more or len(head) > _HEAD:
                return
        text = head.decode("latin-1")
        path = self._wanted(text.partition("\r\n")[0])
        if path is None:
            peer.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        with path.open("rb") as file:
            size = path.stat().st_size
            asked = _RANGE.search(text.replace("\r\n", "\n"))
            start = int(asked.group(1)) if asked else 0
            if start >= size > 0:
                peer.sendall(b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            status = f"206 Partial Content\r\nContent-Range: bytes {start}-{size - 1}/{size}" if asked else "200 OK"
            peer.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {size - start}\r\nConnection: close\r\n\r\n".encode())
            file.seek(start)
            while chunk := file.read(CHUNK):
                peer.sendall(chunk)

    def _wanted(self, line: str) -> pathlib.Path | None:
        """The file that a request line names, if its signature is good and the file is there."""
        method, _, rest = line.partition(" ")
        parts = urllib.parse.urlsplit(rest.partition(" ")[0])
        found = _PATH.match(parts.path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        expires = query.get("expires", "")
        if method != "GET" or found is None or not expires.isdigit() or int(expires) < concurrency.time():
            return None
        directory, name = found.groups()
        if not hmac.compare_digest(self._sign(directory, name, expires), query.get("signature", "")):
            return None
        path = self._root / directory / (name + SUFFIX)
        return path if path.is_file() else None

    def _sign(self, directory: str, name: str, expires: str) -> str:
        return hmac.new(self._secret(), f"{directory}/{name}/{expires}".encode(), hashlib.sha256).hexdigest()

    def _secret(self) -> bytes:
        if not self._key.exists():
            files.write_atomic(self._key, secrets.token_hex(32), mode=0o600)
        return self._key.read_bytes()
