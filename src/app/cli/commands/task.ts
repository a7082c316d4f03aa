import { type Task, TaskSubmission } from "#contracts/task.ts";
import { formatDuration } from "#core/duration.ts";
import { nearestName } from "../../nearest-name.ts";
import { CliError, usageError } from "../cli-error.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { isFinal } from "../final-task.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { formatAgo, formatCount, formatTime } from "../format.ts";
import { toDuration, toInteger, toJsonObject } from "../options.ts";
import type { Output } from "../output.ts";
import { createProgress } from "../progress.ts";

type SubmitOptions = {
  readonly params: string;
  readonly description?: string;
  readonly priority: string;
  readonly domain?: string;
  readonly attempts?: string;
  readonly timeout?: string;
  readonly wait?: boolean;
};

type ListOptions = { readonly state?: Task["state"]; readonly type?: string; readonly limit: string };

export interface TaskInvocation extends Invocation {
  readonly options:
    | ({ readonly action: "submit" } & SubmitOptions)
    | ({ readonly action: "list" } & ListOptions)
    | { readonly action: "show" | "cancel" | "retry" };
}

/** `task submit|show|list|cancel|retry`. */
export async function run(context: CommandContext, { args, options }: TaskInvocation): Promise<ExitCode> {
  const id = args[0] ?? "";
  switch (options.action) {
    case "submit":
      return submit(context, id, options);
    case "list":
      return list(context, options);
    default:
      return one(context, id, options.action);
  }
}

async function submit(context: CommandContext, type: string, options: SubmitOptions): Promise<ExitCode> {
  const { output, signal } = context;
  const submission = TaskSubmission.safeParse({
    type,
    params: toJsonObject("--params", options.params),
    description: options.description,
    domain: options.domain,
    priority: toInteger("--priority", options.priority, 1, 10),
    maxAttempts: options.attempts === undefined ? undefined : toInteger("--attempts", options.attempts, 1, 100),
    timeoutMs: options.timeout === undefined ? undefined : toDuration("--timeout", options.timeout),
  });
  if (!submission.success) {
    throw usageError(
      "The task cannot be submitted.",
      ...submission.error.issues.map((i) => `${i.path.join(".")}: ${i.message}`),
    );
  }
  const coordinator = (await context.connect()).getServiceClient("coordinator");
  const submitted = await coordinator.submitTask.try(submission.data);
  if (!submitted.ok) {
    const { type: given, known } = submitted.error.data;
    const near = nearestName(given, known);
    throw new CliError(`No skill and no route is known for tasks of type "${given}".`, {
      code: submitted.error.code,
      todo: [...(near === undefined ? [] : [`Did you mean "${near}"?`]), `Known types: ${known.join(", ")}.`],
    });
  }
  let task = submitted.value;
  const progress = createProgress(output);
  // Who watches is told how it goes.
  const waitMs = output.interactive ? 1_000 : 30_000;
  while (options.wait === true && !isFinal(task) && !signal.aborted) {
    task = await coordinator.getTask({ id: task.id, waitMs }, { signal }).finally(() => progress.clear());
    const lasted = formatDuration(Math.max(0, context.now() - task.createdAtMs));
    if (!isFinal(task))
      progress.show(undefined, `${task.state}, attempt ${task.attempts} of ${task.maxAttempts}, ${lasted}`);
  }
  print(output, task, context.now());
  hintOn(output, task);
  return options.wait === true && task.state !== "succeeded" ? EXIT.failed : EXIT.ok;
}

async function list(context: CommandContext, options: ListOptions): Promise<ExitCode> {
  const { output } = context;
  const coordinator = (await context.connect()).getServiceClient("coordinator");
  const { state, type } = options;
  const answer = await coordinator.listTasks({ state, type, limit: toInteger("--limit", options.limit, 1, 1_000) });
  output.data(answer);
  if (answer.tasks.length === 0)
    output.line(state === undefined && type === undefined ? "There are no tasks." : "No task matches.");
  else {
    const nowMs = context.now();
    output.table(
      [
        { title: "TASK" },
        { title: "TYPE", maxWidth: 30 },
        { title: "STATE" },
        { title: "ATTEMPTS", align: "right" },
        { title: "SUBMITTED", align: "right" },
        { title: "" },
      ],
      answer.tasks.map((task) => [
        task.id,
        task.type,
        colour(output, task.state),
        `${task.attempts}/${task.maxAttempts}`,
        formatAgo(task.createdAtMs, nowMs),
        task.error?.message ?? task.description,
      ]),
    );
    if (answer.total > answer.tasks.length) {
      output.hint(`${formatCount(answer.total - answer.tasks.length)} more: --limit ${Math.min(1_000, answer.total)}`);
    }
  }
  const [newest] = answer.tasks;
  output.hint("", `Next: seedcore task ${newest === undefined ? SUBMIT_EXAMPLE : `show ${newest.id}`}`);
  return EXIT.ok;
}

async function one(context: CommandContext, id: string, action: "show" | "cancel" | "retry"): Promise<ExitCode> {
  const { output } = context;
  const coordinator = (await context.connect()).getServiceClient("coordinator");
  const methods = { show: coordinator.getTask, cancel: coordinator.cancelTask, retry: coordinator.retryTask };
  const answer = await methods[action].try({ id });
  if (!answer.ok && answer.error.code === "NOT_RETRYABLE") {
    throw new CliError(`${id} is ${answer.error.data.state}; only a failed or cancelled task can be retried.`, {
      code: "NOT_RETRYABLE",
      todo: [`Look at it: seedcore task show ${id}`],
    });
  }
  if (!answer.ok) {
    throw new CliError(`There is no task "${id}".`, { code: "UNKNOWN_TASK", todo: ["List them: seedcore task list"] });
  }
  print(output, answer.value, context.now());
  hintOn(output, answer.value);
  return EXIT.ok;
}

const SUBMIT_EXAMPLE = `submit notify --params '{"message":"hello"}' --wait`;

function hintOn(output: Output, task: Task): void {
  if (!isFinal(task)) output.hint("", `Next: seedcore task show ${task.id}`);
  else if (task.incidentId !== null) output.hint("", `Next: seedcore incidents show ${task.incidentId}`);
  else if (task.state !== "succeeded") output.hint("", `Next: seedcore task retry ${task.id}`);
  else output.hint("", "Next: seedcore task list");
}

function print(output: Output, task: Task, nowMs: number): void {
  output.data(task);
  output.line(`${output.style("bold", task.id)}  ${task.type}  ${colour(output, task.state)}`);
  const fields: [string, string | null][] = [
    ["description", task.description],
    ["params", Object.keys(task.params).length === 0 ? null : JSON.stringify(task.params)],
    ["attempts", `${task.attempts} of ${task.maxAttempts}`],
    ["submitted", `${formatTime(task.createdAtMs)} by ${task.submittedBy}`],
    [
      "not before",
      task.state === "scheduled"
        ? `${formatTime(task.runAfterMs)} (in ${formatDuration(Math.max(0, task.runAfterMs - nowMs))})`
        : null,
    ],
    ["changed", task.updatedAtMs === task.createdAtMs ? null : formatTime(task.updatedAtMs)],
    ["done by", task.agent === null ? null : `${task.agent} (organ ${task.organ ?? "?"})`],
    ["incident", task.incidentId],
    ["result", task.result === null ? null : JSON.stringify(task.result)],
    ["effect", task.effect === null ? null : `${task.effect.state}: ${task.effect.evidence}`],
    ["error", task.error === null ? null : `${task.error.message} (${task.error.code})`],
  ];
  for (const [name, value] of fields) if (value !== null && value !== "") output.line(`  ${name.padEnd(12)}${value}`);
}

function colour(output: Output, state: Task["state"]): string {
  const colours = {
    scheduled: "cyan",
    queued: "cyan",
    running: "cyan",
    succeeded: "green",
    failed: "red",
    cancelled: "yellow",
  } as const;
  return output.style(colours[state], state);
}
