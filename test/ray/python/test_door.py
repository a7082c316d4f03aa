"""Calls from Node to Serve deployments, over the real socket, with a handle that is ours."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, RayTaskError
from ray.serve._private.common import DeploymentID
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from rig import until
from seedcore_ray import DeploymentDoor, RegistryCall


def task_error(cause: Exception) -> Exception:
    """What a caller of Ray gets for an exception in an actor: an instance of its class as well."""
    error: Exception = RayTaskError("f", "Traceback: here", cause).as_instanceof_cause()  # type: ignore[no-untyped-call]
    return error


class Answer:
    """Like a DeploymentResponse, and like its generator."""

    def __init__(self, work: Callable[[], Awaitable[object]], items: AsyncIterator[object]) -> None:
        self._work = work
        self._items = items
        self.is_cancelled = False

    def __await__(self) -> Generator[Any, None, object]:
        return self._work().__await__()

    def __aiter__(self) -> AsyncIterator[object]:
        return self._items

    def cancel(self) -> None:
        self.is_cancelled = True


class FakeHandle:
    """A deployment called "model" with what the tests need."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.counted = 0
        self.found: list[tuple[str, str | None]] = []
        self._method = ""

    def find(self, app: str, deployment: str | None) -> FakeHandle:
        self.found.append((app, deployment))
        if app != "model":
            raise RayServeException(f"Application '{app}' does not exist.")
        return self

    def options(self, method_name: str, stream: bool) -> FakeHandle:
        self._method = method_name
        return self

    def remote(self, *args: Any, **kwargs: Any) -> Answer:  # noqa: ANN401
        method = self._method

        async def work() -> object:
            return await getattr(self, method)(*args, **kwargs)

        self.answers.append(Answer(work, self._count(*args)))
        return self.answers[-1]

    async def echo(self, *args: object, **kwargs: object) -> object:
        return {"args": args, "kwargs": kwargs}

    async def never(self) -> None:
        await asyncio.Event().wait()

    async def odd(self) -> object:
        return {1, 2}

    async def nan(self) -> object:
        return float("nan")

    async def array(self) -> object:
        class Array:
            def tolist(self) -> list[int]:
                return [1, 2]

        return Array()

    async def fail(self, kind: str) -> object:
        raise {
            "python": task_error(KeyError("nope")),
            "late": task_error(TimeoutError("late")),
            "pipe": task_error(BrokenPipeError("pipe")),
            "method": task_error(RayServeException("Tried to call a method 'x' that does not exist.")),
            "full": BackPressureError(num_queued_requests=1, max_queued_requests=1),
            "gone": DeploymentUnavailableError(DeploymentID("Model", "model")),
            "died": ActorDiedError(),
        }[kind]

    async def _count(self, *args: Any) -> AsyncIterator[object]:  # noqa: ANN401
        for number in range(args[0] if args else 0):
            self.counted += 1
            yield {"number": number, "filling": "x" * (args[1] if len(args) > 1 else 0)}


class Caller:
    """The other end of the socket."""

    def __init__(self, handle: FakeHandle, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.handle = handle
        self.reader = reader
        self.writer = writer

    def ask(self, method: str, *args: object, app: str = "model", **more: object) -> None:
        request = {"app": app, "method": method, "args": args, **more}
        self.writer.write(json.dumps(request).encode() + b"\n")

    async def answer(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await asyncio.wait_for(self.reader.readline(), 20))
        return frame

    async def call(self, method: str, *args: object, **more: object) -> dict[str, Any]:
        self.ask(method, *args, **more)  # type: ignore[arg-type]
        return await self.answer()


def run(folder: Path, scene: Callable[[Caller], Awaitable[None]], registry: RegistryCall | None = None) -> None:
    async def play() -> None:
        handle = FakeHandle()
        door = DeploymentDoor(folder, logging.getLogger("door"), handle.find, registry)
        await door.open()
        reader, writer = await asyncio.open_unix_connection(str(door.path), limit=2**20)
        try:
            await scene(Caller(handle, reader, writer))
        finally:
            writer.close()
            await door.close()
            assert not door.path.exists()

    asyncio.run(play())


def test_arguments_and_values_pass_and_the_connection_is_used_again(tmp_path: Path) -> None:
    async def scene(caller: Caller) -> None:
        first = await caller.call("echo", 1, {"a": [True, None]}, kwargs={"b": "ü"})
        assert first == {"value": {"args": [1, {"a": [True, None]}], "kwargs": {"b": "ü"}}}
        assert await caller.call("echo") == {"value": {"args": [], "kwargs": {}}}
        assert await caller.call("array") == {"value": [1, 2]}
        assert caller.handle.found == [("model", None)]

    run(tmp_path, scene)


@pytest.mark.parametrize(
    ("kind", "code", "started"),
    [
        ("python", "PYTHON_EXCEPTION", "yes"),
        ("late", "PYTHON_EXCEPTION", "yes"),
        ("pipe", "PYTHON_EXCEPTION", "yes"),
        ("method", "NOT_FOUND", "no"),
        ("full", "OVERLOADED", "no"),
        ("gone", "UNAVAILABLE", "no"),
        ("died", "CONNECTION_LOST", "maybe"),
    ],
)
def test_every_failure_has_a_code_and_says_whether_it_began(tmp_path: Path, kind: str, code: str, started: str) -> None:
    async def scene(caller: Caller) -> None:
        error = (await caller.call("fail", kind))["error"]
        assert (error["code"], error["started"]) == (code, started)
        assert await caller.call("echo") == {"value": {"args": [], "kwargs": {}}}

    run(tmp_path, scene)


def test_an_exception_of_the_deployment_comes_with_its_class_and_traceback(tmp_path: Path) -> None:
    async def scene(caller: Caller) -> None:
        assert (await caller.call("fail", "python"))["error"] == {
            "code": "PYTHON_EXCEPTION",
            "message": "'nope'",
            "started": "yes",
            "exception": "builtins.KeyError",
            "traceback": "Traceback: here",
        }

    run(tmp_path, scene)


def test_an_application_that_is_not_there_is_looked_for_again_next_time(tmp_path: Path) -> None:
    async def scene(caller: Caller) -> None:
        for _ in range(2):
            error = (await caller.call("echo", app="other"))["error"]
            assert error == {"code": "NOT_FOUND", "message": "Application 'other' does not exist.", "started": "no"}
        assert caller.handle.found == [("other", None), ("other", None)]

    run(tmp_path, scene)


def test_without_a_method_it_only_says_whether_the_deployment_is_there(tmp_path: Path) -> None:
    async def scene(caller: Caller) -> None:
        for request, answer in (({"app": "model", "deployment": "Model"}, "value"), ({"app": "other"}, "error")):
            caller.writer.write(json.dumps(request).encode() + b"\n")
            assert answer in await caller.answer()

    run(tmp_path, scene)


# Whoever may change the deposit owns every host's token: only the host that keeps the others may.
def test_the_registry_is_called_by_the_host_that_may_and_by_no_other(tmp_path: Path) -> None:
    request = json.dumps({"registry": "acquire", "kwargs": {"name": "up", "ttl_s": 3}}).encode() + b"\n"

    async def registry(method: str, *args: object, **kwargs: object) -> str:
        return json.dumps([method, args, kwargs])

    async def allowed(caller: Caller) -> None:
        caller.writer.write(request)
        value = (await caller.answer())["value"]
        assert json.loads(value) == ["acquire", [], {"name": "up", "ttl_s": 3}]

    async def refused(caller: Caller) -> None:
        caller.writer.write(request)
        assert (await caller.answer())["error"]["code"] == "NOT_FOUND"

    run(tmp_path, allowed, registry)
    run(tmp_path, refused)


def test_what_json_cannot_say_is_refused_with_what_to_do(tmp_path: Path) -> None:
    async def scene(caller: Caller) -> None:
        for method, said in (("odd", "let the deployment return plain values"), ("nan", "not JSON compliant")):
            error = (await caller.call(method))["error"]
            assert said in error["message"]
            # It has run and raised nothing.
            assert (error["code"], error["started"]) == ("BAD_OUTPUT", "yes")

    run(tmp_path, scene)


def test_a_call_that_takes_too_long_is_cancelled(tmp_path: Path) -> None:
    async def scene(caller: Caller) -> None:
        error = (await caller.call("never", deadlineMs=30))["error"]
        assert error == {"code": "DEADLINE", "message": "model did not answer within 30 ms.", "started": "maybe"}
        assert caller.handle.answers[0].is_cancelled

    run(tmp_path, scene)


def test_a_caller_that_goes_away_cancels_its_call(tmp_path: Path) -> None:
    async def scene(caller: Caller) -> None:
        caller.ask("never")
        await until(lambda: len(caller.handle.answers) == 1)
        caller.writer.close()
        await until(lambda: caller.handle.answers[0].is_cancelled)

    run(tmp_path, scene)


def test_a_stream_comes_item_by_item_and_ends(tmp_path: Path) -> None:
    async def scene(caller: Caller) -> None:
        caller.ask("count", 2, stream=True)
        frames = [await caller.answer() for _ in range(3)]
        assert [frame["item"]["number"] for frame in frames[:2]] == [0, 1]
        assert frames[2] == {"end": True}
        assert (await caller.call("echo"))["value"]["args"] == []

    run(tmp_path, scene)


def test_a_stream_that_is_not_read_is_held_back(tmp_path: Path) -> None:
    async def scene(caller: Caller) -> None:
        caller.ask("count", 1000, 100_000, stream=True)
        await until(lambda: caller.handle.counted > 0)
        before = -1
        while before != caller.handle.counted:
            before = caller.handle.counted
            await asyncio.sleep(0.1)
        assert caller.handle.counted < 100
        for number in range(1000):
            assert (await caller.answer())["item"]["number"] == number

    run(tmp_path, scene)


def test_a_line_that_is_no_call_ends_the_connection_only(tmp_path: Path) -> None:
    async def scene(caller: Caller) -> None:
        caller.writer.write(b"nonsense\n")
        assert await asyncio.wait_for(caller.reader.read(), 20) == b""

    run(tmp_path, scene)


def test_sockets_of_processes_that_were_killed_are_swept(tmp_path: Path) -> None:
    left_behind = tmp_path / "serve-1-dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left_behind))

    async def scene(caller: Caller) -> None:
        assert not left_behind.exists()
        assert (await caller.call("echo"))["value"]["args"] == []

    run(tmp_path, scene)
