/** From the candidates to a conclusion: how sure, in which words, and what would make it surer. */
import { causeName } from "#contracts/cause-text.ts";
import type { Diagnosis, Evidence, Hypothesis } from "#contracts/cognitive.ts";
import { signatureOf } from "#contracts/signature.ts";
import { type Candidate, weigh } from "./hypotheses.ts";

/** Corrects a confidence by what such a one was worth before. */
export type Recalibrate = (rawConfidence: number) => number;

const MOST_ALTERNATIVES = 5;
/** Two that are this close are not told apart. */
const CLOSE = 0.15;

export function diagnose(evidence: Evidence, recalibrate: Recalibrate): Diagnosis {
  const candidates = weigh(evidence);
  const hypotheses = toHypotheses(candidates, recalibrate);
  const cause = hypotheses[0] as Hypothesis;
  const alternatives = hypotheses.slice(1, 1 + MOST_ALTERNATIVES);
  return {
    thought: thoughtOf(cause),
    cause,
    alternatives,
    signature: signatureOf(evidence.movements),
    proposedSolution: solutionOf(cause),
    missing: missingOf(evidence, cause, alternatives),
  };
}

/** Softmax of the scores: exactly one of them is the cause, `unknown` being the one that is none of the others. */
function toHypotheses(candidates: readonly Candidate[], recalibrate: Recalibrate): Hypothesis[] {
  const top = candidates[0]?.score ?? 0;
  const odds = candidates.map(({ score }) => Math.exp(score - top));
  const sum = odds.reduce((total, one) => total + one, 0);
  return candidates.map(({ service, kind, reasons, changeId }, i) => {
    const rawConfidence = (odds[i] as number) / sum;
    const sorted = [...reasons].sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
    return { service, kind, confidence: recalibrate(rawConfidence), rawConfidence, reasons: sorted, changeId };
  });
}

function thoughtOf({ service, kind, reasons }: Hypothesis): string {
  const ground = reasons.find(({ weight }) => weight > 0)?.text ?? "";
  switch (kind) {
    case "latency":
      return `${service} has become slow by itself. ${ground}`;
    case "errors":
      return `${service} fails by itself. ${ground}`;
    case "memory":
      return `${service} takes more and more memory. ${ground}`;
    case "crash":
      return `${service} is not there. ${ground}`;
    case "load":
      return `Demand has changed, and nobody is to blame. ${ground}`;
    case "change":
      return `What was done to ${service ?? "the system"} is behind it. ${ground}`;
    case "outside":
      return `The cause is outside of the services that are known. ${ground}`;
    case "unknown":
      return "The evidence points nowhere.";
  }
}

function solutionOf({ service, kind }: Hypothesis): string {
  switch (kind) {
    case "latency":
    case "errors":
      return `Restart the host of ${service}; if it comes back, roll back its last deploy or look at its log.`;
    case "memory":
      return `Restart the host of ${service} before it reaches its limit, and look for what it keeps.`;
    case "crash":
      return `Bring the replicas of ${service} back; its log has their last words.`;
    case "load":
      return "Nothing needs repair; scale what is near its limit if the demand stays.";
    case "change":
      return `Take the change of ${service ?? "the system"} back.`;
    case "outside":
      return "Look at who calls and at the machine; restarting a service would not help.";
    case "unknown":
      return "Wait for more evidence, or look at it yourself.";
  }
}

function missingOf(
  { graph, windows, movements }: Evidence,
  cause: Hypothesis,
  alternatives: readonly Hypothesis[],
): string[] {
  const missing: string[] = [];
  if (graph === null || graph.services.length === 0) missing.push("Who calls whom is not known for what moved.");
  if (windows.length < 2 && movements.length > 1)
    missing.push("There are too few points to see which series moved first.");
  const [second] = alternatives;
  if (cause.kind !== "unknown" && second !== undefined && cause.rawConfidence - second.rawConfidence < CLOSE) {
    const name = second.kind === "unknown" ? "That it is something that does not show" : causeName(second);
    missing.push(`${name} is nearly as likely.`);
  }
  if (cause.kind === "unknown") missing.push("A service whose own figures moved, or a change shortly before.");
  return missing;
}
