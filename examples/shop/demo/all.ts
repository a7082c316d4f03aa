/** The whole demonstration: every fault twice, the decoys, and then again with the memory wiped. */
import { type Outcome, play } from "./outcome.ts";
import { allFaults, DECOYS, decoyScene, type Random, type Scene } from "./scene.ts";
import type { Stage } from "./stage.ts";

/** Faults that are played a third time, when the organism has forgotten the cases of the first two. */
const FORGOTTEN = 4;

export async function playAll(stage: Stage, random: Random, say: (text: string) => void): Promise<string> {
  const say1 = (outcome: Outcome) => say(toLine(outcome));
  const round = async (name: string, scenes: readonly Scene[]): Promise<Outcome[]> => {
    say(`\n${name}\n`);
    const outcomes: Outcome[] = [];
    for (const scene of scenes) {
      const outcome = await play(stage, scene, () => {});
      outcomes.push(outcome);
      say1(outcome);
    }
    return outcomes;
  };
  const first = await round("Every fault for the first time", allFaults(random));
  const decoys = await round(
    "Decoys",
    DECOYS.map((name) => decoyScene(name, random)),
  );
  // The same again, with other sizes and in another order.
  const second = await round("Every fault for the second time", allFaults(random));
  await stage.connection.getServiceClient("state").forgetCases({});
  const third = await round("Some again, with the memory wiped", allFaults(random).slice(0, FORGOTTEN));
  return figures({ first, decoys, second, third });
}

function toLine({ scene, cause, isCauseRight, noticedMs, actedMs, repairedMs, wrongActions }: Outcome): string {
  const blamed = cause === null ? "nothing" : `${cause.kind} of ${cause.service ?? "nobody"}`;
  const verdict = scene.fault === null ? "" : isCauseRight ? "right" : "WRONG";
  const wrong = wrongActions.length === 0 ? "" : `  NEEDLESS: ${wrongActions.join(", ")}`;
  const times =
    scene.fault === null ? "" : [noticedMs, actedMs, repairedMs].map((ms) => seconds(ms).padStart(7)).join("");
  return `${scene.name.padEnd(16)}${verdict.padEnd(7)}${blamed.padEnd(30)}${times}${wrong}   ${scene.what}`;
}

interface Rounds {
  readonly first: readonly Outcome[];
  readonly decoys: readonly Outcome[];
  readonly second: readonly Outcome[];
  readonly third: readonly Outcome[];
}

function figures({ first, decoys, second, third }: Rounds): string {
  const faults = [...first, ...second];
  const all = [...faults, ...decoys, ...third];
  const right = faults.filter(({ isCauseRight }) => isCauseRight).length;
  const repaired = faults.filter(({ repairedMs }) => repairedMs !== null).length;
  const calm = decoys.filter(({ wrongActions }) => wrongActions.length === 0).length;
  const needless = all.flatMap(({ wrongActions }) => wrongActions).length;
  const acted = (outcomes: readonly Outcome[]) => median(outcomes.flatMap(({ actedMs }) => actedMs ?? []));
  const [a, b, c] = [acted(first), acted(second), acted(third)];
  return [
    "",
    `cause right          ${right} of ${faults.length}, wanted ≥ 80 %`,
    `faults repaired      ${repaired} of ${faults.length}, wanted ≥ 90 %`,
    `needless actions     ${needless} in ${all.length} scenes, wanted ≤ 1`,
    `decoys left alone    ${calm} of ${decoys.length}, wanted ≥ 5`,
    `fault to action      ${seconds(a)} the first time, ${seconds(b)} the second (× ${ratio(b, a)}, wanted ≤ .5),`,
    `                     ${seconds(c)} with the memory wiped (× ${ratio(c, a)})`,
  ].join("\n");
}

const seconds = (ms: number | null): string => (ms === null ? "never" : `${(ms / 1_000).toFixed(1)} s`);
const ratio = (a: number | null, b: number | null): string => (a === null || b === null ? "?" : (a / b).toFixed(2));

function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? null;
}
