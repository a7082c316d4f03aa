"""A deployment that does nothing, over HTTP and as a method. Arguments: address of the GCS."""

from __future__ import annotations

import sys

import ray
from ray import serve
from starlette.requests import Request


class Model:
    async def __call__(self, request: Request) -> dict[str, int]:
        return await self.double((await request.json())["number"])

    async def double(self, number: int) -> dict[str, int]:
        return {"number": number * 2}


deployed = serve.deployment(
    name="Model", num_replicas=2, max_ongoing_requests=100, ray_actor_options={"num_cpus": 0.1}
)(Model)

ray.init(sys.argv[1], log_to_driver=False)
serve.run(deployed.bind(), name="no-op", route_prefix="/no-op")
