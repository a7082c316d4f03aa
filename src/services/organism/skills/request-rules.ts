/** What outgoing requests of skills have in common: the configuration's word on addresses, and failures in our words. */
import { isServiceError, ServiceError } from "#core/service-error.ts";
import { type OutgoingAnswer, type OutgoingRequest, RequestFailed, sendOutgoing } from "../outgoing-request.ts";
import { type SkillContext, SkillFailed } from "../skill.ts";

export interface RequestRules {
  readonly allowPrivate: boolean;
  readonly allowLoopback: boolean;
}

export interface SkillRequest extends Omit<OutgoingRequest, "signal" | "clock" | "allowLoopback"> {
  /** Whether the other side takes it twice without harm. */
  readonly isRepeatable: boolean;
}

/**
 * @throws SkillFailed when it certainly was not taken, or may be repeated; ServiceError OUTCOME_UNKNOWN when the
 * connection broke after the request was sent; the signal's reason when it aborts.
 */
export async function requestFor(
  rules: RequestRules,
  { signal, clock }: SkillContext,
  { isRepeatable, ...request }: SkillRequest,
): Promise<OutgoingAnswer> {
  const allowPrivate = rules.allowPrivate || request.allowPrivate;
  try {
    return await sendOutgoing({ ...request, allowPrivate, allowLoopback: rules.allowLoopback, clock, signal });
  } catch (error) {
    if (error instanceof RequestFailed) {
      if (isRepeatable || !error.sent) throw new SkillFailed(error.message, true, { cause: error });
      throw new ServiceError("OUTCOME_UNKNOWN", `${error.message} The request had been sent.`, { cause: error });
    }
    if (isServiceError(error) && !signal.aborted) throw new SkillFailed(error.message, false, { cause: error });
    throw error;
  }
}
