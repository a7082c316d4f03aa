/** A package that the cluster has and cannot unpack: what Serve says of it, in a line that a person can act on. */
import { HostSpec, isOwnHost } from "../host-spec.ts";
import type { ServedApplication } from "./serve.ts";

/** What Python raises for an archive that is none, or is cut or changed; a full disk is an OSError. */
const DAMAGE = /^(?:zipfile\.BadZipFile|zlib\.error|EOFError): *(.*)$/m;

/** Undefined when nothing is wrong with its package. */
export function damageOf({ message, config }: Pick<ServedApplication, "message" | "config">): string | undefined {
  if (!/\bin unzip_package$/m.test(message)) return undefined;
  const [, cause] = DAMAGE.exec(message) ?? [];
  if (cause === undefined) return undefined;
  const spec = HostSpec.safeParse(config.args?.["spec"]).data;
  // Its name comes from its content, so the same code sent again is the package that Ray has already.
  const todo =
    spec !== undefined && isOwnHost(spec)
      ? "changed code is another package: change something and deploy it again: seedcore deploy FOLDER"
      : "Ray drops it ten minutes after its last use: seedcore down, and after that time seedcore up";
  return `its package ${String(config.runtime_env?.["working_dir"])} is damaged on the cluster (${cause}); ${todo}`;
}
