/** This machine: how busy its processors are, how full its memory is, and how many processes want to run. */
import { cpus, freemem, loadavg, totalmem } from "node:os";
import type { Sample, Sampler } from "./sampled-source.ts";

/** The text of a file of /proc, or undefined where there is none. */
export type ReadProc = (path: string) => string | undefined;

/** Busy and total processor time since boot, in any one unit. */
interface CpuTime {
  readonly busy: number;
  readonly total: number;
}

/**
 * Series `cpu` (share of processor time that was not idle since the last look), `memory` (share that is not available
 * to new processes) and `load1` (Linux's one-minute load average).
 */
export function createHostSampler(readProc: ReadProc): Sampler {
  const cores = Math.max(1, cpus().length);
  let before: CpuTime | undefined;

  return async () => {
    const samples: Sample[] = [];
    const time = cpuTime(readProc("/proc/stat"));
    if (before !== undefined && time.total > before.total) {
      const busy = (time.busy - before.busy) / (time.total - before.total);
      samples.push({ series: "cpu", value: round(Math.min(1, Math.max(0, busy))), minimumChange: 0.2 });
    }
    before = time;
    samples.push({ series: "memory", value: round(memoryUsed(readProc("/proc/meminfo"))), minimumChange: 0.05 });
    samples.push({ series: "load1", value: loadAverage(readProc("/proc/loadavg")), minimumChange: cores });
    return samples;
  };
}

function cpuTime(stat: string | undefined): CpuTime {
  // user nice system idle iowait irq softirq steal; guest time is within user.
  const fields = /^cpu +(.+)$/m
    .exec(stat ?? "")?.[1]
    ?.split(" ")
    .slice(0, 8)
    .map(Number);
  if (fields !== undefined && fields.length >= 4) {
    const total = fields.reduce((sum, value) => sum + value, 0);
    return { busy: total - (fields[3] ?? 0) - (fields[4] ?? 0), total };
  }
  let busy = 0;
  let idle = 0;
  for (const { times } of cpus()) {
    busy += times.user + times.nice + times.sys + times.irq;
    idle += times.idle;
  }
  return { busy, total: busy + idle };
}

function memoryUsed(meminfo: string | undefined): number {
  const kilobytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+)`, "m").exec(meminfo ?? "")?.[1]);
  const used = 1 - kilobytes("MemAvailable") / kilobytes("MemTotal");
  return Number.isFinite(used) ? used : 1 - freemem() / totalmem();
}

function loadAverage(text: string | undefined): number {
  const load = Number.parseFloat(text ?? "");
  return Number.isFinite(load) ? load : (loadavg()[0] ?? 0);
}

/** Four decimals are what these measurements carry; more would only fill the disk. */
function round(ratio: number): number {
  return Math.round(ratio * 10_000) / 10_000;
}
