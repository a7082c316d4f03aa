/** Ray jobs: one shell command on the cluster, with its log. */
import { z } from "zod";
import { isServiceError, ServiceError } from "#core/service-error.ts";
import { segment, type RayRest } from "./transport.ts";

const JobStatus = z.enum(["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"]);

const Job = z.object({
  /** SUBMISSION for a job of this API, DRIVER for every other program that is connected. */
  type: z.string(),
  submission_id: z.string().nullish(),
  job_id: z.string().nullish(),
  status: JobStatus,
  entrypoint: z.string(),
  message: z.string().nullish(),
  error_type: z.string().nullish(),
  /** Unix milliseconds. */
  start_time: z.number().nullish(),
  end_time: z.number().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  driver_node_id: z.string().nullish(),
  driver_exit_code: z.number().nullish(),
});
export type Job = z.output<typeof Job>;

export interface JobSubmission {
  /** A shell command; it runs on the head unless it asks for resources. */
  readonly entrypoint: string;
  /** Chosen by Ray when absent; one that exists is refused. */
  readonly submissionId?: string;
  readonly runtimeEnv?: Readonly<Record<string, unknown>>;
  readonly metadata?: Readonly<Record<string, string>>;
  /** CPUs to reserve for the command. @default 0 */
  readonly cpus?: number;
}

/**
 * Starts a job and resolves with its submission id; it may be pending for a while.
 * @throws ServiceError CONFLICT when there is a job with that id
 */
export async function submitJob(rest: RayRest, job: JobSubmission, signal?: AbortSignal): Promise<string> {
  try {
    return await submit(rest, job, signal);
  } catch (error) {
    // Ray answers this with 500 and a traceback.
    if (!isServiceError(error) || !error.message.includes("already exists")) throw error;
    throw new ServiceError(
      "CONFLICT",
      `There is a job "${job.submissionId}" already. Choose another id, or delete that job.`,
      { cause: error, started: "no" },
    );
  }
}

async function submit(rest: RayRest, job: JobSubmission, signal: AbortSignal | undefined): Promise<string> {
  const answer = await rest.call({
    method: "POST",
    path: "/api/jobs/",
    body: {
      entrypoint: job.entrypoint,
      submission_id: job.submissionId,
      runtime_env: job.runtimeEnv,
      metadata: job.metadata,
      entrypoint_num_cpus: job.cpus,
    },
    schema: z.object({ submission_id: z.string() }),
    signal,
    timeoutMs: 30_000,
  });
  return answer.submission_id;
}

/** @throws ServiceError NOT_FOUND */
export function readJob(rest: RayRest, submissionId: string, signal?: AbortSignal): Promise<Job> {
  return rest.call({ method: "GET", path: toPath(submissionId), schema: Job, signal });
}

export function listJobs(rest: RayRest, signal?: AbortSignal): Promise<readonly Job[]> {
  return rest.call({ method: "GET", path: "/api/jobs/", schema: z.array(Job), signal });
}

/** Everything the job has written so far. */
export async function readJobLog(rest: RayRest, submissionId: string, signal?: AbortSignal): Promise<string> {
  const schema = z.object({ logs: z.string().nullable() });
  const { logs } = await rest.call({ method: "GET", path: `${toPath(submissionId)}/logs`, schema, signal });
  return logs ?? "";
}

/** Asks a job to end; false when it had ended already. */
export async function stopJob(rest: RayRest, submissionId: string, signal?: AbortSignal): Promise<boolean> {
  const schema = z.object({ stopped: z.boolean() });
  return (await rest.call({ method: "POST", path: `${toPath(submissionId)}/stop`, schema, signal })).stopped;
}

/** Forgets a job that has ended. */
export async function deleteJob(rest: RayRest, submissionId: string, signal?: AbortSignal): Promise<boolean> {
  const schema = z.object({ deleted: z.boolean() });
  return (await rest.call({ method: "DELETE", path: toPath(submissionId), schema, signal })).deleted;
}

function toPath(submissionId: string): string {
  return `/api/jobs/${segment(submissionId)}`;
}
