import { call } from "../api.ts";
import { ago } from "../format.ts";
import { nowMs, type Task, useLive } from "../live.ts";
import { Ask } from "../parts/ask.tsx";
import { Badge } from "../parts/badge.tsx";
import { Empty } from "../parts/loading.tsx";
import { linkTo } from "../place.ts";
import { may } from "../session.ts";

const LIMIT = 100;
const ENDED: ReadonlySet<Task["state"]> = new Set(["succeeded", "failed", "cancelled"]);

export function TasksView() {
  const found = useLive("coordinator.listTasks", { limit: LIMIT });
  const change = (name: "coordinator.cancelTask" | "coordinator.retryTask", id: string) => () => call(name, { id });
  return (
    <>
      <h1>Tasks</h1>
      <Empty of={found?.tasks}>No task was submitted yet.</Empty>
      <ul class="rows">
        {(found?.tasks ?? []).map((task) => (
          <li key={task.id} class="row">
            <span class="row-head">
              <Badge of={task.state} /> <strong>{task.type}</strong> <span class="quiet">{task.description}</span>
            </span>
            <span class="quiet">
              {task.id} · {ago(task.createdAtMs, nowMs.value)} · {task.attempts} of {task.maxAttempts} attempts
              {task.agent === null ? "" : ` · ${task.agent}`}
              {task.error === null ? "" : ` · ${task.error.message}`}
              {task.incidentId === null ? "" : " · "}
              {task.incidentId !== null && <a href={linkTo("incidents", task.incidentId)}>its incident</a>}
            </span>
            {may("operate") && (
              <span class="answer">
                {!ENDED.has(task.state) && <Ask label="Cancel" work={change("coordinator.cancelTask", task.id)} />}
                {(task.state === "failed" || task.state === "cancelled") && (
                  <Ask label="Retry" work={change("coordinator.retryTask", task.id)} />
                )}
              </span>
            )}
          </li>
        ))}
      </ul>
      {found !== undefined && found.total > LIMIT && (
        <p class="quiet">
          The newest {LIMIT} of {found.total}.
        </p>
      )}
    </>
  );
}
