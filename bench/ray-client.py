"""The Python side of bench/ray-client.ts: makes the actor, then measures once for every line on standard input."""

import asyncio
import json
import sys
import time

import ray

address, sequential_calls, pipelined_calls, in_flight = sys.argv[1], *map(int, sys.argv[2:])


@ray.remote(num_cpus=0, max_concurrency=1000)
class Echo:
    async def echo(self, data: bytes) -> bytes:
        return data


async def gather(echo: ray.actor.ActorHandle, payload: bytes) -> None:
    """Every answer awaited by itself, as a server with many callers does."""

    async def call() -> None:
        await echo.echo.remote(payload)

    await asyncio.gather(*(call() for _ in range(in_flight)))


def measure(echo: ray.actor.ActorHandle) -> dict[str, float]:
    payload = bytes([7]) * 100
    times = []
    for _ in range(sequential_calls):
        start = time.perf_counter()
        ray.get(echo.echo.remote(payload))
        times.append((time.perf_counter() - start) * 1000)
    times.sort()
    start = time.perf_counter()
    for _ in range(pipelined_calls // in_flight):
        ray.get([echo.echo.remote(payload) for _ in range(in_flight)])
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    asyncio.run(gather(echo, payload))
    gather_seconds = time.perf_counter() - start
    return {
        "p50Ms": times[len(times) // 2],
        "p99Ms": times[int(len(times) * 0.99)],
        "callsPerS": pipelined_calls / seconds,
        "awaitedPerS": in_flight / gather_seconds,
    }


ray.init(address, namespace="bench", log_to_driver=False)
echo = Echo.options(name="echo", lifetime="detached").remote()
ray.get(echo.echo.remote(b""))
print("ready", flush=True)
for _ in sys.stdin:
    print(json.dumps(measure(echo)), flush=True)
