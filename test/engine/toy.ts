/** How the engine's tests describe and call a toy host. */
import { get } from "node:http";
import type { HostSpecInput } from "#runtime/engine/host-spec.ts";
import type { Replica } from "#runtime/topology.ts";

export const toySpec: HostSpecInput = { name: "toy", services: ["toy"], memoryMb: 128 };
export const toyEnvironment = { PATH: process.env.PATH ?? "" };

export interface ToyAnswer {
  readonly replica: string;
  readonly pid: number;
  readonly color?: string;
}

export function callToy(replica: Pick<Replica, "address">, holdMs?: number): Promise<ToyAnswer> {
  return askToy(replica.address, holdMs === undefined ? "/toy/who" : `/toy/slow?ms=${holdMs}`);
}

export function askToy(address: string, path: string): Promise<ToyAnswer> {
  return new Promise((resolve, reject) => {
    const request = get(`${address}${path}`, { agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => (text += part));
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 200) resolve(JSON.parse(text) as ToyAnswer);
        else reject(Object.assign(new Error(text), { notStarted: response.statusCode === 503 }));
      });
    });
    request.on("error", (error: NodeJS.ErrnoException) =>
      reject(Object.assign(error, { notStarted: error.code === "ECONNREFUSED" })),
    );
  });
}
