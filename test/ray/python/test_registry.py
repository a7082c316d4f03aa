"""The registry as a plain object: a clock that stands until it is moved, and a store that outlives it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from rig import MemoryStore, until
from seedcore_ray import LEASE_S, SETTLE_S, SWEEP_S, Registry


class MemoryMutex:
    """One for all who know the cluster's list of holders."""

    def __init__(self, holders: list[str], name: str) -> None:
        self._holders = holders
        self._name = name
        # Whoever takes it waits for this.
        self.is_quick = asyncio.Event()
        self.is_quick.set()

    async def take(self) -> bool:
        await self.is_quick.wait()
        if not self._holders:
            self._holders.append(self._name)
        return self._holders == [self._name]

    async def release(self) -> None:
        if self._holders == [self._name]:
            self._holders.clear()


class World:
    """One registry at a time, over one store and one clock."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.now_s = 1000.0
        self.cluster: list[str] = []
        self.registry = self._new()
        self.answer: dict[str, Any] = {}

    def _new(self) -> Registry:
        return self.registry_of("test")

    def registry_of(self, namespace: str) -> Registry:
        self.mutex = MemoryMutex(self.cluster, namespace)
        return Registry(namespace, self.store, lambda: self.now_s, lambda: "127.0.0.1", self.mutex)

    def restart(self) -> None:
        self.registry = self._new()

    async def saved(self, name: str, value: object) -> None:
        """Returns when the store has the value: it is written by a thread."""
        await until(lambda: json.loads(self.store.content.get(f"test/{name}", b"null")) == value)

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds / SWEEP_S)):
            self.now_s += SWEEP_S
            self.registry.sweep()

    def stand_still(self, seconds: float) -> None:
        self.now_s += seconds
        self.registry.sweep()

    async def renew(self, name: str, kind: str = "ready", version: str = "1", service: str = "ml") -> None:
        replica = {
            "id": name,
            "host": "ml",
            "version": version,
            "address": f"http://{name}",
            "services": [service],
        }
        state = {"kind": kind, "sinceMs": 1}
        deposit = f"ml@{version}"
        lease = {"replica": replica, "deposit": deposit, "pid": 1, "node": {}, "serve": {}, "state": state}
        self.answer = json.loads(await self.registry.renew(json.dumps(lease)))

    async def topology(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(await self.registry.listen("", -1, 0))
        return answer

    async def ids(self) -> list[str]:
        return [replica["id"] for replica in (await self.topology())["replicas"]]

    async def settle(self, *names: str) -> None:
        for name in names:
            await self.renew(name)
        self.pass_time(SETTLE_S)
        for name in names:
            await self.renew(name)

    async def follow(self, name: str, topology: dict[str, Any], revision: int = 0, wait_s: float = 0) -> dict[str, Any]:
        answer = await self.registry.follow(name, "ml@1", topology["epoch"], topology["version"], revision, wait_s)
        content: dict[str, Any] = json.loads(answer)
        return content


def run(scene: Callable[[World], Awaitable[None]]) -> None:
    async def play() -> None:
        await scene(World())

    asyncio.run(play())


async def turn(times: int = 20) -> None:
    """Lets everything that can run do so."""
    for _ in range(times):
        await asyncio.sleep(0)


def test_only_ready_leases_are_in_the_topology() -> None:
    async def scene(world: World) -> None:
        await world.settle("a")
        await world.renew("b", "starting")
        await world.renew("c", "not-ready")
        assert await world.ids() == ["a"]
        await world.renew("b")
        assert await world.ids() == ["a", "b"]
        await world.renew("a", "draining")
        assert await world.ids() == ["b"]

    run(scene)


def test_a_lease_that_is_not_renewed_is_dropped() -> None:
    async def scene(world: World) -> None:
        await world.settle("a", "b")
        for _ in range(6):
            world.pass_time(1)
            await world.renew("b")
        assert await world.ids() == ["b"]
        assert (await world.topology())["state"] == "settled"

    run(scene)


def test_nobody_is_late_while_the_registry_itself_stood_still() -> None:
    async def scene(world: World) -> None:
        await world.settle("a", "b")
        world.stand_still(60)
        assert await world.ids() == ["a", "b"]
        world.pass_time(LEASE_S + 1)
        assert await world.ids() == []

    run(scene)


def test_the_version_grows_with_changes_only() -> None:
    async def scene(world: World) -> None:
        await world.settle("a")
        before = await world.topology()
        await world.renew("a")
        world.pass_time(1)
        assert await world.topology() == before
        await world.renew("b")
        after = await world.topology()
        assert after["version"] == before["version"] + 1
        assert after["epoch"] == before["epoch"]

    run(scene)


def test_a_first_life_settles_after_its_time_and_not_without_replicas() -> None:
    async def scene(world: World) -> None:
        world.pass_time(10 * SETTLE_S)
        assert (await world.topology())["state"] == "settling"
        await world.renew("a")
        assert (await world.topology())["state"] == "settled"

    run(scene)


def test_after_a_restart_it_settles_when_all_whom_it_knew_are_back() -> None:
    async def scene(world: World) -> None:
        await world.settle("a", "b")
        before = await world.topology()
        await world.saved("members", ["a", "b"])
        world.restart()
        await world.renew("a")
        partial = await world.topology()
        assert partial["state"] == "settling"
        assert partial["epoch"] != before["epoch"]
        await world.renew("b")
        assert (await world.topology())["state"] == "settled"
        assert await world.ids() == ["a", "b"]

    run(scene)


# Sooner, a live one that was late on a busy machine left every client's list.
def test_after_a_restart_one_who_does_not_return_is_given_up() -> None:
    async def scene(world: World) -> None:
        await world.settle("a", "b")
        await world.saved("members", ["a", "b"])
        world.restart()
        await world.renew("a")
        world.pass_time(LEASE_S - SWEEP_S)
        assert (await world.topology())["state"] == "settling"
        await world.renew("a")
        world.pass_time(SWEEP_S)
        assert (await world.topology())["state"] == "settled"
        assert await world.ids() == ["a"]

    run(scene)


def test_a_second_restart_while_settling_still_knows_everybody() -> None:
    async def scene(world: World) -> None:
        await world.settle("a", "b")
        await world.saved("members", ["a", "b"])
        world.restart()
        await world.renew("a")
        await world.saved("members", ["a", "b"])
        world.restart()
        await world.renew("a")
        assert (await world.topology())["state"] == "settling"

    run(scene)


def test_when_all_leases_end_at_once_the_empty_list_is_not_called_settled() -> None:
    async def scene(world: World) -> None:
        await world.settle("a", "b")
        world.pass_time(LEASE_S + 1)
        topology = await world.topology()
        assert topology["replicas"] == []
        assert topology["state"] == "settling"
        await world.renew("a")
        assert (await world.topology())["state"] == "settling"
        await world.renew("b")
        assert (await world.topology())["state"] == "settled"

    run(scene)


def test_when_the_last_one_leaves_the_empty_list_is_the_truth() -> None:
    async def scene(world: World) -> None:
        await world.settle("a")
        await world.registry.leave("a", 0)
        topology = await world.topology()
        assert (topology["state"], topology["replicas"]) == ("settled", [])

    run(scene)


def test_a_late_heartbeat_does_not_bring_back_who_left() -> None:
    async def scene(world: World) -> None:
        await world.settle("a", "b")
        await world.registry.leave("a", 0)
        await world.renew("a")
        assert await world.ids() == ["b"]

    run(scene)


def test_listen_waits_for_a_change_and_answers_at_once_to_another_epoch() -> None:
    async def scene(world: World) -> None:
        await world.settle("a")
        known = await world.topology()
        waiting = asyncio.ensure_future(world.registry.listen(known["epoch"], known["version"], 60))
        await turn()
        assert not waiting.done()
        await world.renew("b")
        assert json.loads(await waiting)["version"] == known["version"] + 1
        other = json.loads(await world.registry.listen("another", known["version"] + 1, 60))
        assert other["epoch"] == known["epoch"]

    run(scene)


def test_listen_answers_the_same_when_its_time_is_over() -> None:
    async def scene(world: World) -> None:
        await world.settle("a")
        known = await world.topology()
        assert json.loads(await world.registry.listen(known["epoch"], known["version"], 0.01)) == known

    run(scene)


def test_a_thousand_listeners_all_hear_of_one_change() -> None:
    async def scene(world: World) -> None:
        await world.settle("a")
        known = await world.topology()
        waiting = [
            asyncio.ensure_future(world.registry.listen(known["epoch"], known["version"], 60)) for _ in range(1000)
        ]
        await turn()
        await world.renew("b")
        answers = await asyncio.gather(*waiting)
        assert {json.loads(answer)["version"] for answer in answers} == {known["version"] + 1}

    run(scene)


def test_leaving_waits_until_the_others_have_the_list_without_it() -> None:
    async def scene(world: World) -> None:
        await world.settle("a", "b", "c")
        leaving = asyncio.ensure_future(world.registry.leave("a", 60))
        await turn()
        without = await world.topology()
        assert [replica["id"] for replica in without["replicas"]] == ["b", "c"]
        await world.follow("b", without)
        await turn()
        assert not leaving.done()
        await world.follow("c", without)
        assert json.loads(await leaving) == {"informed": True}

    run(scene)


def test_leaving_gives_up_waiting_for_one_who_does_not_listen() -> None:
    async def scene(world: World) -> None:
        await world.settle("a", "b")
        assert json.loads(await world.registry.leave("a", 0.01)) == {"informed": False}

    run(scene)


def test_who_follows_gets_what_was_deposited_for_its_host_and_nothing_of_others() -> None:
    async def scene(world: World) -> None:
        hosts = {"ml@1": {"token": "one", "env": {"A": "1"}}, "ml@2": {"token": "two"}}
        patch = {"databaseUrl": "sqlite:/x", "config": {"ml": {}}, "hosts": hosts}
        topology = await world.topology()
        assert (await world.follow("a", topology, -1))["deposit"] is None
        waiting = asyncio.ensure_future(world.follow("a", topology, 0, 60))
        await turn()
        revision = json.loads(await world.registry.deposit(json.dumps(patch)))["revision"]
        answer = await waiting
        assert answer["revision"] == revision
        assert answer["deposit"] == {
            "databaseUrl": "sqlite:/x",
            "config": {"ml": {}},
            "token": "one",
            "env": {"A": "1"},
        }
        assert "deposit" not in await world.follow("a", topology, revision)

    run(scene)


def test_a_patch_changes_what_it_names_and_null_removes_a_host() -> None:
    async def scene(world: World) -> None:
        await world.registry.deposit(json.dumps({"engine": 1, "config": {"a": 1}, "hosts": {"ml@1": {"token": "t"}}}))
        await world.registry.deposit(json.dumps({"config": {"b": 2}, "hosts": {"ml@1": {"weight": 3}}}))
        answer = await world.follow("a", await world.topology(), -1)
        assert answer["deposit"] == {"engine": 1, "config": {"b": 2}, "token": "t", "env": {}}
        await world.registry.deposit(json.dumps({"hosts": {"ml@1": None}}))
        assert (await world.follow("a", await world.topology(), -1))["deposit"] is None

    run(scene)


def test_weights_are_those_of_the_version_and_change_the_topology_together() -> None:
    async def scene(world: World) -> None:
        await world.settle("a")
        await world.renew("b", version="2")
        before = await world.topology()
        assert [replica["weight"] for replica in before["replicas"]] == [1, 1]
        await world.registry.deposit(json.dumps({"hosts": {"ml@1": {"weight": 95}, "ml@2": {"weight": 5}}}))
        after = await world.topology()
        assert [replica["weight"] for replica in after["replicas"]] == [95, 5]
        assert after["version"] == before["version"] + 1

    run(scene)


def test_what_was_deposited_and_weighed_survives_a_restart() -> None:
    async def scene(world: World) -> None:
        patch = {"databaseUrl": "sqlite:/x", "hosts": {"ml@1": {"token": "t", "weight": 7}}}
        revision = json.loads(await world.registry.deposit(json.dumps(patch)))["revision"]
        world.restart()
        await world.renew("a")
        answer = await world.follow("a", await world.topology(), -1)
        assert answer["revision"] == revision
        assert answer["deposit"]["token"] == "t"  # noqa: S105
        assert answer["topology"]["replicas"][0]["weight"] == 7

    run(scene)


def test_a_deposit_that_cannot_be_kept_is_refused_and_changes_nothing() -> None:
    async def scene(world: World) -> None:
        def fail(key: str, value: bytes) -> None:
            raise OSError("GCS is gone")

        world.store.put = fail  # type: ignore[method-assign]
        try:
            await world.registry.deposit(json.dumps({"hosts": {"ml@1": {"token": "t"}}}))
        except OSError as error:
            assert str(error) == "GCS is gone"
        else:
            raise AssertionError("it was acknowledged")
        assert (await world.follow("a", await world.topology(), -1))["deposit"] is None

    run(scene)


def test_gateways_can_be_read_from_the_store() -> None:
    async def scene(world: World) -> None:
        await world.settle("a")
        await world.renew("g", service="gateway")
        await world.saved("gateways", ["http://g"])

    run(scene)


def test_the_status_shows_every_lease_and_no_secret() -> None:
    async def scene(world: World) -> None:
        patch = {"databaseUrl": "postgres://secret", "hosts": {"ml@1": {"token": "secret", "env": {"KEY": "secret"}}}}
        await world.registry.deposit(json.dumps(patch))
        await world.renew("a", "starting")
        text = await world.registry.status()
        assert "secret" not in text
        status = json.loads(text)
        assert status["leases"][0]["state"]["kind"] == "starting"
        assert status["hosts"] == {"ml@1": {"weight": 1}}

    run(scene)


def test_forgetting_leaves_nothing_in_the_store() -> None:
    async def scene(world: World) -> None:
        await world.registry.deposit(json.dumps({"hosts": {"ml@1": {"token": "t"}}}))
        await world.settle("a")
        await world.saved("members", ["a"])
        await world.saved("gateways", [])
        await world.registry.forget()
        assert world.store.content == {}

    run(scene)


def test_a_change_of_desired_state_wakes_who_waits_for_it() -> None:
    async def scene(world: World) -> None:
        waiting = asyncio.ensure_future(world.registry.listen_desired(0, 60))
        await turn()
        assert not waiting.done()
        await world.registry.desired_changed()
        assert json.loads(await waiting) == {"count": 1}

    run(scene)


# Two `up` at once would each put applications that the other's step deletes.
def test_a_lock_is_one_holders_until_it_is_released_or_its_time_is_over() -> None:
    async def scene(world: World) -> None:
        async def acquire(holder: str) -> object:
            return json.loads(await world.registry.acquire("up", holder, 15))["acquired"]

        assert [await acquire("a"), await acquire("b"), await acquire("a")] == [True, False, True]
        await world.registry.release("up", "b")
        assert await acquire("b") is False
        await world.registry.release("up", "a")
        assert await acquire("b") is True
        world.pass_time(15 - SWEEP_S)
        assert await acquire("a") is False
        world.pass_time(SWEEP_S)
        assert await acquire("a") is True

    run(scene)


# The renewals were on their way: its holder went on with what it had begun, and another began the same beside it.
def test_no_lock_ends_while_the_registry_itself_stood_still() -> None:
    async def scene(world: World) -> None:
        async def acquire(name: str, holder: str) -> object:
            return json.loads(await world.registry.acquire(name, holder, 15))["acquired"]

        for name in ["up", "serve"]:
            assert await acquire(name, "a") is True
        world.now_s += 60
        # Heard before the sweep: nothing has told it yet that it stood still.
        assert [await acquire(name, "b") for name in ["up", "serve"]] == [False, False]
        world.registry.sweep()
        await turn()
        assert world.cluster == ["test"]
        assert [await acquire(name, "b") for name in ["up", "serve"]] == [False, False]
        world.pass_time(15)
        assert [await acquire(name, "b") for name in ["up", "serve"]] == [True, True]

    run(scene)


# Given time that it had not lost, whoever died then kept the others waiting for as long as the registry had stood.
def test_what_is_renewed_after_the_registry_stood_still_lasts_no_longer_for_it() -> None:
    async def scene(world: World) -> None:
        await world.settle("a")
        world.now_s += 60
        await world.renew("a")
        await world.registry.acquire("up", "a", 15)
        world.registry.sweep()
        world.pass_time(LEASE_S + 1)
        assert await world.ids() == []
        world.pass_time(15)
        assert json.loads(await world.registry.acquire("up", "b", 15))["acquired"] is True

    run(scene)


# Nobody held the lock any more, and nobody else in the cluster could have it until the registry ended.
def test_the_lock_of_serve_is_the_clusters_again_after_an_acquire_that_was_cancelled() -> None:
    async def scene(world: World) -> None:
        await world.registry.acquire("serve", "a", 15)
        async with world.registry._mutex_turn:
            extending = asyncio.ensure_future(world.registry.acquire("serve", "a", 15))
            await turn()
            extending.cancel()
            await turn()
        assert world.cluster == ["test"]
        world.pass_time(SWEEP_S)
        await until(lambda: world.cluster == [])

    run(scene)


async def hold(where: dict[str, Any], secret: str, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(where["host"], where["port"])
    writer.write(f"{secret} {name}\n".encode())
    await writer.drain()
    return reader, writer


# Serve's PUT takes the applications of everybody: two organisms that changed theirs at once undid one another's change.
def test_the_lock_of_serve_is_one_for_all_organisms_of_the_cluster() -> None:
    async def scene(world: World) -> None:
        other = world.registry_of("other")

        async def acquire(registry: Registry, holder: str, name: str = "serve") -> object:
            return json.loads(await registry.acquire(name, holder, 15))["acquired"]

        assert [await acquire(world.registry, "a"), await acquire(other, "b")] == [True, False]
        assert [await acquire(world.registry, "a"), await acquire(world.registry, "c")] == [True, False]
        assert await acquire(other, "b", "up") is True
        await world.registry.release("serve", "a")
        assert [await acquire(other, "b"), await acquire(world.registry, "a")] == [True, False]
        await other.release("serve", "b")
        # Whoever dies with it has it no longer than its time.
        assert await acquire(world.registry, "a") is True
        world.pass_time(15)
        await until(lambda: world.cluster == [])
        assert await acquire(other, "b") is True

    run(scene)


# The sweep gave it back although somebody had it again by then: two organisms changed Serve's applications at once.
def test_the_lock_of_serve_that_is_taken_again_stays_taken() -> None:
    async def scene(world: World) -> None:
        async def acquire(registry: Registry, holder: str) -> object:
            return json.loads(await registry.acquire("serve", holder, 15))["acquired"]

        for again in ["a", "c"]:
            assert await acquire(world.registry, "a") is True
            world.pass_time(15)
            assert await acquire(world.registry, again) is True
            assert world.registry._releasing is not None
            await world.registry._releasing
            assert world.cluster == ["test"]
            await world.registry.release("serve", again)
        assert world.cluster == []

    run(scene)


# Whoever was told so late that the lock was its own changed the applications together with the next.
def test_a_lock_whose_time_ends_while_it_is_taken_is_nobodys() -> None:
    async def scene(world: World) -> None:
        mutex = world.mutex
        mutex.is_quick.clear()
        late = asyncio.ensure_future(world.registry.acquire("serve", "a", 15))
        await asyncio.sleep(0)
        world.pass_time(15)
        next_one = asyncio.ensure_future(world.registry.acquire("serve", "b", 15))
        await asyncio.sleep(0)
        mutex.is_quick.set()
        assert [json.loads(await one)["acquired"] for one in (late, next_one)] == [False, True]
        assert world.cluster == ["test"]

    run(scene)


def test_a_replica_whose_lifeline_ends_is_gone_at_once_and_back_with_its_next_heartbeat() -> None:
    async def scene(world: World) -> None:
        await world.settle("a", "b")
        await asyncio.sleep(0.05)
        await world.renew("a")
        where = world.answer["lifeline"]
        _, first = await hold(where, where["secret"], "a")
        await asyncio.sleep(0.05)
        _, second = await hold(where, where["secret"], "a")
        await asyncio.sleep(0.05)
        first.close()
        await asyncio.sleep(0.05)
        assert await world.ids() == ["a", "b"]
        second.close()
        await until(lambda: len(world.registry._replicas) == 1)
        assert await world.ids() == ["b"]
        await world.renew("a")
        assert await world.ids() == ["a", "b"]

    run(scene)


def test_nobody_ends_a_replica_without_the_secret() -> None:
    async def scene(world: World) -> None:
        await world.settle("a", "b")
        await asyncio.sleep(0.05)
        await world.renew("a")
        where = world.answer["lifeline"]
        for secret in ["", "wrong", "\u00e9"]:
            reader, writer = await hold(where, secret, "a")
            assert await reader.read() == b""
            writer.close()
        assert await world.ids() == ["a", "b"]

    run(scene)
