/** Where host processes come from: prepared ahead, so that they load while the database is still being opened. */
import { join } from "node:path";
import type { HostSpec } from "../host-spec.ts";
import { type HostProcess, type Launch, startHost, toLaunch } from "./host-process.ts";
import { startReaper } from "./reaper.ts";

export interface HostPool {
  /** Starts a process for a host that will be wanted soon. */
  prepare(spec: HostSpec): void;
  /** A prepared process that fits the spec, else a new one. @throws Error when it cannot be started. */
  take(spec: HostSpec): HostProcess;
  logFile(host: string): string;
  /** Ends what was prepared and not taken. */
  discard(): void;
  /** Ends everything that is left, grandchildren included. */
  close(): Promise<void>;
}

export interface HostPoolOptions {
  /** Arguments to node that run a host without a package of its own, such as `["/…/dist/host.js"]`. */
  readonly program: readonly string[];
  /** What every host's environment begins with. */
  readonly environment: Readonly<Record<string, string>>;
  readonly logsDir: string;
  /** `NAME=value`: put into every host's environment, and what the reaper looks for. */
  readonly marker: string;
}

export function createHostPool(options: HostPoolOptions): HostPool {
  const [name = "", value = ""] = options.marker.split("=");
  const environment = { ...options.environment, [name]: value };
  const reaper = startReaper(options.marker);
  const prepared: { readonly key: string; readonly process: HostProcess }[] = [];
  const logFile = (host: string) => join(options.logsDir, `${host}.log`);
  const programOf = (spec: HostSpec) => (spec.package === "" ? options.program : [join(spec.package, spec.entry)]);
  const launchOf = (spec: HostSpec) => toLaunch(spec, programOf(spec), environment, logFile(spec.name));

  const start = (launch: Launch): HostProcess => {
    const started = startHost(launch);
    if (started.pid === 0) return started;
    reaper.watch(started.pid);
    // A killed group's number may be used again, so the reaper must not hold it longer than needed.
    started.onceExited(() => reaper.forget(started.pid));
    return started;
  };
  const discard = () => {
    for (const { process } of prepared.splice(0)) process.kill();
  };

  return {
    prepare(spec) {
      const launch = launchOf(spec);
      prepared.push({ key: JSON.stringify(launch), process: start(launch) });
    },
    take(spec) {
      const launch = launchOf(spec);
      const key = JSON.stringify(launch);
      const index = prepared.findIndex((one) => one.key === key && one.process.alive);
      return index < 0 ? start(launch) : (prepared.splice(index, 1)[0]?.process ?? start(launch));
    },
    logFile,
    discard,
    async close() {
      discard();
      await reaper.close();
    },
  };
}
