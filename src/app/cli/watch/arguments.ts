/** What `watch` was asked to watch. */
import { basename } from "node:path";
import { nearestName } from "../../nearest-name.ts";
import { usageError } from "../cli-error.ts";
import { toAmount, toDuration } from "../options.ts";
import { toSpeed } from "./replay.ts";

export type WatchOptions = {
  readonly name?: string;
  readonly speed: string;
  readonly minimumChange?: string;
  readonly query?: readonly string[];
  readonly backfill?: string;
  readonly step: string;
  readonly secret?: string;
  readonly allowPrivate?: boolean;
  readonly check?: boolean;
};

export interface FileSource {
  /** `-` is standard input. */
  readonly path: string;
  readonly source: string;
}

export interface LongLivedSource {
  readonly name: string;
  readonly spec:
    | { readonly kind: "host" | "services" }
    | {
        readonly kind: "prometheus";
        readonly url: string;
        readonly queries: { name: string; query: string }[];
        readonly stepMs: number;
        readonly backfillMs: number;
        readonly allowPrivate: boolean;
        readonly secret?: string;
      };
}

export interface WatchPlan {
  readonly longLived: readonly LongLivedSource[];
  readonly files: readonly FileSource[];
  readonly speed: number;
  readonly minimumChange: number | undefined;
  readonly check: boolean;
}

/** @throws CliError that says what is wrong with the line */
export function toWatchPlan(args: readonly string[], options: WatchOptions): WatchPlan {
  const longLived: LongLivedSource[] = [];
  const files: FileSource[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (arg === "host" || arg === "services") longLived.push({ name: options.name ?? arg, spec: { kind: arg } });
    else if (arg === "prometheus") longLived.push(toPrometheus(args[++i], options));
    else if (arg === "-") files.push({ path: "-", source: options.name ?? "stdin" });
    else files.push({ path: arg, source: options.name ?? basename(arg).replace(/\.csv$/i, "") });
  }
  if (options.name !== undefined && longLived.length + files.length > 1) {
    throw usageError(`--name ${options.name} can only name one source.`, "Watch them one by one, or leave --name out.");
  }
  const twice = files.find(({ source }, i) => files.findIndex((other) => other.source === source) !== i);
  if (twice !== undefined) {
    throw usageError(
      `Two sources would be called "${twice.source}".`,
      "Watch them one by one, each with its own --name.",
    );
  }
  if (options.query !== undefined && !longLived.some(({ spec }) => spec.kind === "prometheus")) {
    throw usageError(
      "--query is for a Prometheus server.",
      "Use: seedcore watch prometheus URL --query name=expression",
    );
  }
  for (const { name } of longLived) {
    if (!/^[a-z][a-z0-9-]{0,60}$/.test(name)) {
      throw usageError(
        `"${name}" cannot name a long-lived source.`,
        "Use lower-case letters, digits and -, a letter first.",
      );
    }
  }
  return {
    longLived,
    files,
    speed: toSpeed(options.speed),
    minimumChange:
      options.minimumChange === undefined ? undefined : toAmount("--minimum-change", options.minimumChange),
    check: options.check === true,
  };
}

function toPrometheus(url: string | undefined, options: WatchOptions): LongLivedSource {
  const usage = "Use: seedcore watch prometheus http://localhost:9090 --query name=expression";
  if (url === undefined) throw usageError("Which Prometheus server?", usage);
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw usageError(`"${url}" is not the URL of a server.`, usage);
  }
  if (options.query === undefined) throw usageError(`What should be asked of ${url}?`, usage);
  return {
    name: options.name ?? "prometheus",
    spec: {
      kind: "prometheus",
      url,
      queries: options.query.map(toQuery),
      stepMs: toDuration("--step", options.step),
      backfillMs: options.backfill === undefined ? 0 : toDuration("--backfill", options.backfill),
      allowPrivate: options.allowPrivate === true,
      ...(options.secret === undefined ? {} : { secret: options.secret }),
    },
  };
}

function toQuery(text: string): { name: string; query: string } {
  const at = text.indexOf("=");
  const name = text.slice(0, at).trim();
  const query = text.slice(at + 1).trim();
  if (at > 0 && /^[A-Za-z_][\w.-]{0,99}$/.test(name) && query !== "") return { name, query };
  throw usageError(
    `--query ${text} has no name.`,
    `Write it as name=expression, such as --query "errors=sum(rate(http_errors_total[5m]))".`,
  );
}

/** For a file that is not there: what was perhaps meant. */
export function meantKeyword(path: string): string | undefined {
  return nearestName(path, ["host", "services", "prometheus"]);
}
