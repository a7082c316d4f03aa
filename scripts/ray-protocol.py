"""Writes the FileDescriptorProto of Ray Client's protocol, as the installed `ray` package has it, to standard output.

scripts/ray-protocol.ts makes TypeScript of it.
"""

import sys

from ray.core.generated import ray_client_pb2

sys.stdout.buffer.write(ray_client_pb2.DESCRIPTOR.serialized_pb)
