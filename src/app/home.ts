/** Where one organism keeps what belongs to it. Pure: the environment comes from `config.ts`. */
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";

export interface Home {
  readonly namespace: string;
  /** `<home>/<namespace>`: everything below belongs to this organism alone. */
  readonly directory: string;
  /** Who runs now: pid, address, since when. */
  readonly runFile: string;
  /** The first token, readable by its owner only. */
  readonly tokenFile: string;
  /** The private key that tokens are signed with, readable by its owner only. */
  readonly keyFile: string;
  /** Held locked for the life of a supervisor. */
  readonly lockFile: string;
  readonly configFile: string;
  /** Databases and logs. */
  readonly dataDir: string;
  readonly logsDir: string;
  /** Code of a person's own services, a folder for each version. */
  readonly packagesDir: string;
}

export interface HomeOptions {
  /** @default ~/.seedcore */
  readonly home?: string | undefined;
  /** @default "seedcore-dev" */
  readonly namespace?: string | undefined;
  /** @default `<home>/<namespace>/seedcore.json` */
  readonly configFile?: string | undefined;
  /** @default `<home>/<namespace>/data` */
  readonly dataDir?: string | undefined;
}

export const DEFAULT_NAMESPACE = "seedcore-dev";

/** @throws RangeError when the namespace cannot be the name of a folder. */
export function resolveHome(options: HomeOptions): Home {
  const namespace = options.namespace ?? DEFAULT_NAMESPACE;
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(namespace)) {
    throw new RangeError(
      `"${namespace}" cannot be a namespace: use up to 63 letters, digits, ".", "_" and "-", a letter or digit first.`,
    );
  }
  const directory = join(absolute(options.home ?? join(homedir(), ".seedcore")), namespace);
  const dataDir = options.dataDir === undefined ? join(directory, "data") : absolute(options.dataDir);
  return {
    namespace,
    directory,
    runFile: join(directory, "run.json"),
    tokenFile: join(directory, "token"),
    keyFile: join(directory, "key.json"),
    lockFile: join(directory, "lock.db"),
    configFile: options.configFile === undefined ? join(directory, "seedcore.json") : absolute(options.configFile),
    dataDir,
    logsDir: join(dataDir, "logs"),
    packagesDir: join(dataDir, "packages"),
  };
}

function absolute(path: string): string {
  const expanded = path.startsWith("~/") ? join(homedir(), path.slice(2)) : path;
  return isAbsolute(expanded) ? expanded : resolve(expanded);
}
