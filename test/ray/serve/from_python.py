"""Calls a service of an organism from Python, as docs/ray.md shows it: prints what `ml.status` answers."""

from __future__ import annotations

import sys
from typing import Any

import ray
from ray import serve
from ray.serve.handle import DeploymentHandle


def seedcore(host: str, namespace: str = "seedcore-dev") -> DeploymentHandle[Any]:
    """The newest application of a host: each change of the host is another one."""
    applications = serve.status().applications
    own = [name for name in applications if name.startswith(f"{namespace}.{host}@")]
    running = [name for name in own if applications[name].status == "RUNNING"]
    return serve.get_app_handle(max(running, key=lambda name: int(name.rsplit(".", 1)[1])))


if __name__ == "__main__":
    address, namespace = sys.argv[1:]
    ray.init(address=address, log_to_driver=False)
    print(seedcore("ml", namespace).call.remote("GET /ml/status", "{}").result(timeout_s=30))
