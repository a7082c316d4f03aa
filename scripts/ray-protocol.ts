/**
 * Generates `src/runtime/ray/protocol/` from the protocol descriptor inside the Python package `ray`:
 *
 *     node scripts/ray-protocol.ts path/to/python
 *
 * where that Python has the Ray version of docs/ray.md installed. The generator is fetched by npx and no dependency of
 * ours, since it is needed only when Ray changes its protocol. `js+dts`, because Node cannot strip the enums of `ts`.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  CodeGeneratorRequestSchema,
  CodeGeneratorResponseSchema,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";

const GENERATOR = "@bufbuild/protoc-gen-es@2.17.0";
const target = join(import.meta.dirname, "../src/runtime/ray/protocol");

const [python] = process.argv.slice(2);
if (python === undefined) {
  console.error("Usage: node scripts/ray-protocol.ts PYTHON, where PYTHON is an interpreter with `ray` installed.");
  process.exit(2);
}

const file = fromBinary(
  FileDescriptorProtoSchema,
  execFileSync(python, [join(import.meta.dirname, "ray-protocol.py")]),
);
// Ray's own path would become folders of the output.
file.name = "ray-client.proto";
const request = create(CodeGeneratorRequestSchema, {
  fileToGenerate: [file.name],
  parameter: "target=js+dts",
  protoFile: [file],
});
const answer = execFileSync("npx", ["--yes", "--package", GENERATOR, "protoc-gen-es"], {
  input: toBinary(CodeGeneratorRequestSchema, request),
  maxBuffer: 16 * 1024 * 1024,
  stdio: ["pipe", "pipe", "inherit"],
});
const response = fromBinary(CodeGeneratorResponseSchema, answer);
if (response.error !== "") throw new Error(response.error);
for (const { name, content } of response.file) {
  writeFileSync(join(target, name), content);
  console.log(join("src/runtime/ray/protocol", name));
}
