"""A shim whose Node program is a fake, whose registry is a plain object, and whose log is a list."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from seedcore_ray import HandleSource, Place, Registry, Shim, find_handle

FAKE_HOST = str(Path(__file__).with_name("fake_host.mjs"))

SPEC: dict[str, Any] = {
    "name": "toy",
    "services": ["toy"],
    "version": "1",
    "port": 0,
    "maxDeadlineMs": 2000,
    "memoryMb": 400,
    "env": {},
}


class MemoryStore:
    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        return self.content.get(key)

    def put(self, key: str, value: bytes) -> None:
        self.content[key] = value

    def delete(self, key: str) -> None:
        self.content.pop(key, None)


class LogList(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def text(self) -> str:
        return "\n".join(record.getMessage() for record in self.records)


class Rig:
    def __init__(self, find: HandleSource = find_handle) -> None:
        self.store = MemoryStore()
        self.registry = Registry("test", self.store, find_address=lambda: "127.0.0.1")
        self._pending: set[asyncio.Future[object]] = set()
        self.calls: list[tuple[str, float]] = []
        self.broken = False
        self.ended = asyncio.Event()
        self.logs = LogList()
        self.log = logging.getLogger(f"rig-{id(self)}")
        self.log.setLevel(logging.DEBUG)
        self.log.propagate = False
        self.log.addHandler(self.logs)
        self.find = find
        self.metrics: list[str] = []
        self.tell_metrics: Callable[[str], None] = self.metrics.append
        self.shims: list[Shim] = []

    async def deposit(
        self,
        fake: dict[str, Any] | None = None,
        env: dict[str, str] | None = None,
        listening: dict[str, Any] | None = None,
    ) -> None:
        await self.registry.deposit(
            json.dumps(
                {
                    "dataDir": "/nowhere",
                    "databaseUrl": "sqlite:/nowhere",
                    "publicKey": {"kty": "OKP"},
                    "engine": {"kind": "ray", "hosts": []},
                    "config": {"fake": fake or {}},
                    "listening": listening or {},
                    "hosts": {"toy@1": {"token": "token-1", "env": env or {}}},
                }
            )
        )

    def shim(self, name: str = "toy/0@a", **args: object) -> Shim:
        place = Place(
            replica_id=name,
            app="toy@1",
            serve_replica="a",
            node_id="node",
            node_ip="127.0.0.1",
            memory_mb=400,
        )
        shim = Shim(
            {"namespace": "test", "spec": SPEC, "deposit": "toy@1", "entry": FAKE_HOST, **args},
            place,
            self._call,
            self.log,
            self.ended.set,
            self.find,
            self.tell_metrics,
        )
        self.shims.append(shim)
        return shim

    async def _call(self, method: str, *args: object) -> object:
        if self.broken:
            raise ConnectionError("the registry is being restarted")
        self.calls.append((method, time.monotonic()))
        call: Callable[..., Awaitable[object]] = getattr(self.registry, method)
        pending = asyncio.ensure_future(call(*args))
        self._pending.add(pending)
        try:
            return await pending
        except asyncio.CancelledError:
            if pending in self._pending:
                raise
            raise ConnectionError("the registry was killed") from None
        finally:
            self._pending.discard(pending)

    def restart_registry(self) -> None:
        """What Ray does when it was killed: calls under way fail, and it begins with what it has stored."""
        self.registry = Registry("test", self.store, find_address=lambda: "127.0.0.1")
        pending, self._pending = self._pending, set()
        for call in pending:
            call.cancel()

    async def topology(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(await self.registry.listen("", -1, 0))
        return answer

    async def ids(self) -> list[str]:
        return [replica["id"] for replica in (await self.topology())["replicas"]]

    async def joined(self, *ids: str) -> None:
        """Returns when the topology holds exactly these."""
        deadline = time.monotonic() + 20
        while True:
            present = await self.ids()
            if present == list(ids):
                return
            assert time.monotonic() < deadline, f"{present} are in the topology"
            await asyncio.sleep(0.01)

    async def state(self, index: int = 0) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(await self.registry.status())["leases"][index]["state"]
        return state

    async def logged(self, text: str, times: int = 1) -> None:
        await until(lambda: self.logs.text.count(text) >= times)

    def note(self, message: str) -> dict[str, Any]:
        """The fields of a line the fake wrote."""
        for record in self.logs.records:
            text = record.getMessage()
            if text.startswith(f"{message} {{"):
                fields: dict[str, Any] = json.loads(text[len(message) :])
                return fields
        raise AssertionError(f"{message} was not logged:\n{self.logs.text}")


@asynccontextmanager
async def opened(find: HandleSource = find_handle) -> AsyncIterator[Rig]:
    rig = Rig(find)
    try:
        yield rig
    finally:
        for shim in rig.shims:
            await shim.stop()


async def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while True:
        if is_so():
            return
        assert time.monotonic() < deadline, "it did not come to be so"
        await asyncio.sleep(0.005)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    # One that was killed stays a zombie until whoever inherited it asks.
    return state != "Z"
