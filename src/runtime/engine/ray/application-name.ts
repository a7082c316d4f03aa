/** A host at one generation is one Serve application; its name says whose, what and which. */

export interface ApplicationName {
  readonly host: string;
  readonly version: string;
  readonly generation: number;
}

/** What a host's deposit in the registry is called: one for each generation, since each may have another environment. */
export function depositKey({ host, version, generation }: ApplicationName): string {
  return `${host}@${version}.${generation}`;
}

/** `<namespace>.<host>@<version>.<generation>`, such as `seedcore-dev.ml@0.1.0.3`. */
export function toApplicationName(namespace: string, name: ApplicationName): string {
  return `${namespace}.${depositKey(name)}`;
}

/** Undefined for an application of somebody else, another organism included. */
export function fromApplicationName(namespace: string, name: string): ApplicationName | undefined {
  if (!name.startsWith(`${namespace}.`)) return undefined;
  const parts = /^([a-z][a-z0-9-]*)@(.+)\.(\d+)$/.exec(name.slice(namespace.length + 1));
  const [, host, version, generation] = parts ?? [];
  if (host === undefined || version === undefined) return undefined;
  return { host, version, generation: Number(generation) };
}
