/**
 * `npm run demo`: one fault in the shop, and what the organism makes of it, told as it happens.
 * `npm run demo -- --all`: every fault twice, the decoys, and some faults again with its memory wiped; then the figures.
 * `--scene stock/latency`, `--seed 7`: that scene, those sizes and that order. RAY_ADDRESS: on that cluster.
 */
import { parseArgs } from "node:util";
import { playAll } from "./all.ts";
import { type Outcome, play } from "./outcome.ts";
import { allFaults, DECOYS, decoyScene, FAULT_KINDS, faultScene, type Scene, seededRandom } from "./scene.ts";
import { LEARNING_S, openStage, SERVICES, type Stage } from "./stage.ts";

const { values } = parseArgs({
  options: { all: { type: "boolean", default: false }, scene: { type: "string" }, seed: { type: "string" } },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e6));
const random = seededRandom(seed);
const say = (text = "") => void process.stdout.write(`${text}\n`);

const scenes = values.scene === undefined ? undefined : [sceneOf(values.scene)];
say(`Seed ${seed}.`);
await using stage = await openStage(say);
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, async () => {
    await stage[Symbol.asyncDispose]();
    process.exit(130);
  });
}
say(`People buy. For ${LEARNING_S / 60} minutes the organism learns what is normal.`);
await new Promise((resolve) => setTimeout(resolve, LEARNING_S * 1_000));
if (values.all) say(await playAll(stage, random, say));
else await narrate(stage, scenes?.[0] ?? (allFaults(random)[0] as Scene));

async function narrate(on: Stage, scene: Scene): Promise<void> {
  say(`\nNow, told to nobody: ${scene.what}.\n`);
  const outcome = await play(on, scene, (text, atMs) => say(`${(atMs / 1_000).toFixed(1).padStart(6)} s  ${text}`));
  say(`\n${summary(outcome)}`);
}

function summary({ scene, cause, isCauseRight, actedMs, repairedMs, wrongActions }: Outcome): string {
  const seconds = (ms: number | null) => (ms === null ? "never" : `after ${(ms / 1_000).toFixed(1)} s`);
  const blamed = cause === null ? "nothing" : `${cause.kind} of ${cause.service ?? "nobody"}`;
  const wrong = wrongActions.length === 0 ? "Nobody else was touched." : `Touched besides: ${wrongActions.join(", ")}.`;
  if (scene.fault === null) return `A decoy: blamed ${blamed}. ${wrong}`;
  const verdict = isCauseRight ? "Right" : "Wrong";
  return `${verdict}: ${blamed}. Acted ${seconds(actedMs)}, repaired ${seconds(repairedMs)}. ${wrong}`;
}

function sceneOf(name: string): Scene {
  const [service, kind] = name.split("/");
  const decoy = DECOYS.find((one) => one === name);
  if (decoy !== undefined) return decoyScene(decoy, random);
  const known = SERVICES.find((one) => one === service);
  const knownKind = FAULT_KINDS.find((one) => one === kind);
  if (known !== undefined && knownKind !== undefined) return faultScene(known, knownKind, random);
  const faults = SERVICES.flatMap((one) => FAULT_KINDS.map((fault) => `${one}/${fault}`));
  throw new Error(`There is no scene "${name}". There are: ${[...faults, ...DECOYS].join(", ")}.`);
}
