import { resolveTarget } from "../connect-target.ts";

/** What to look at for the log of a host. */
export function whereItsLogIs(host: string): string {
  switch (resolveTarget({}).place.kind) {
    case "local":
      return `Its log: seedcore logs ${host}`;
    case "gateway":
      return `Its log, where the organism runs: seedcore logs ${host}; on Ray in its dashboard, under Serve`;
    case "ray":
      return "Its log: in Ray's dashboard, under Serve";
  }
}
