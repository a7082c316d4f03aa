/** What a skill is: parameters with a schema, an action, and a look at whether it took effect. */
import type { z } from "zod";
import type { Clock } from "#core/clock.ts";
import type { Effect, Execution, Skill as SkillInfo } from "#contracts/organism.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";

export interface SkillContext {
  readonly taskId: string;
  /** Aborts when the execution is cancelled or its time is over: an action must stop then. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface SkillOutcome {
  readonly result: Execution["result"];
  readonly effect: Effect;
  /** What it changed in the system; left out by skills that change nothing. */
  readonly change?: NonNullable<Execution["change"]>;
  /** The task that takes it back, where only the execution tells. */
  readonly undo?: NonNullable<Execution["undo"]>;
}

export interface Skill<P extends z.ZodObject = z.ZodObject> extends Omit<SkillInfo, "params"> {
  readonly params: P;
  /** Organ of agents that have it, for tasks that no rule sends elsewhere. */
  readonly organ: string;
  /**
   * The task that takes it back, asked before it is done; null where there is nothing to take back. It must do no harm when
   * nobody saw whether it was done.
   */
  undoOf?(params: z.output<P>): Promise<Execution["undo"]>;
  /** @throws SkillFailed when it could not be done; anything else is a defect. */
  execute(params: z.output<P>, context: SkillContext): Promise<SkillOutcome>;
}

/** It could not be done, and why; `isRetryable` when the same may succeed later. */
export class SkillFailed extends Error {
  override readonly name = "SkillFailed";
  readonly isRetryable: boolean;

  constructor(message: string, isRetryable: boolean, options?: ErrorOptions) {
    super(message, options);
    this.isRetryable = isRetryable;
  }
}

/** Hides the parameters' type once a skill is one of many; `execute` is only ever given what its schema parsed. */
export function defineSkill<P extends z.ZodObject>(skill: Skill<P>): Skill {
  return skill as unknown as Skill;
}
