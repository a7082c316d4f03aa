"""Deploys a toy application and opens a door to it as a shim does, until its standard input ends."""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import ray
from ray import serve

FOLDER = Path(__file__).resolve().parents[3] / "src" / "runtime" / "ray" / "python"
sys.path.insert(0, str(FOLDER))

from seedcore_ray import DeploymentDoor  # noqa: E402


class Toy:
    def __init__(self) -> None:
        self.cancelled = 0
        self.made = 0

    async def add(self, a: float, b: float) -> float:
        return a + b

    async def repeat(self, text: str, times: int) -> str:
        return text * times

    async def fail(self, text: str) -> None:
        raise KeyError(text)

    async def wait(self) -> None:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def count(self, to: int, size: int = 0) -> AsyncIterator[dict[str, Any]]:
        try:
            for number in range(to):
                self.made = number + 1
                yield {"number": number, "text": "x" * size}
                await asyncio.sleep(0)
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise

    async def seen(self) -> dict[str, Any]:
        return {"cancelled": self.cancelled, "made": self.made}


toy = serve.deployment(name="Toy", max_ongoing_requests=100, ray_actor_options={"num_cpus": 0.1})(Toy)
APPLICATIONS = {"toy-model": toy, "toy-narrow": toy.options(max_ongoing_requests=1, max_queued_requests=1)}


async def main(address: str) -> None:
    ray.init(address=address, namespace="toy", log_to_driver=False)
    for name, deployed in APPLICATIONS.items():
        await asyncio.to_thread(serve.run, deployed.bind(), name=name, route_prefix=None)
    with tempfile.TemporaryDirectory() as folder:
        door = DeploymentDoor(Path(folder), logging.getLogger("toy"))
        await door.open()
        print(door.path, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await door.close()
    for name in APPLICATIONS:
        await asyncio.to_thread(serve.delete, name)


asyncio.run(main(sys.argv[1]))
