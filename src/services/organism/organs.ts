/** The organs there are, with the roles that agents of their kind begin with (the original's priors). */
import type { Organ } from "#contracts/organism.ts";
import type { Roles } from "#contracts/state.ts";

export type OrganKind = Organ["kind"];

/** Explorer, specialist, observer. */
export const ROLE_PRIORS: Readonly<Record<OrganKind, Roles>> = {
  cognitive: { E: 0.3, S: 0.6, O: 0.1 },
  actuator: { E: 0.7, S: 0.2, O: 0.1 },
  utility: { E: 0.2, S: 0.3, O: 0.5 },
};

/** Where an organism begins; stored at its first start. */
export const ORGANS = {
  cognitive: { id: "cognitive_organ_1", kind: "cognitive", summary: "Reasons about what was noticed." },
  actuator: { id: "actuator_organ_1", kind: "actuator", summary: "Acts on the world outside and on the platform." },
  utility: { id: "utility_organ_1", kind: "utility", summary: "Does what keeps the organism going." },
} as const satisfies Readonly<Record<string, Pick<Organ, "id" | "kind" | "summary">>>;
