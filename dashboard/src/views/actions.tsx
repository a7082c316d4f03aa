import { toWouldHaveDone } from "#app/cli/would-have-done.ts";
import { call } from "../api.ts";
import { ago, causeName, skillName } from "../format.ts";
import { type Action, actions, incidents, nowMs, refreshActions } from "../live.ts";
import { Ask } from "../parts/ask.tsx";
import { Badge } from "../parts/badge.tsx";
import { Empty } from "../parts/loading.tsx";
import { Proposal } from "../parts/proposal.tsx";
import { linkTo } from "../place.ts";
import { may } from "../session.ts";

const SHOWN = 100;

export function ActionsView() {
  const all = actions.value;
  const waiting = all?.filter(({ state }) => state === "proposed");
  const unknown = (all ?? []).filter(({ state }) => state === "unknown");
  const others = all?.filter(({ state }) => state !== "proposed");
  return (
    <>
      <h1>Actions</h1>
      <section>
        <h2>Waiting for you</h2>
        <Empty of={waiting}>Nothing waits.</Empty>
        {(waiting ?? []).map((action) => (
          <Proposal key={action.id} action={action} />
        ))}
      </section>
      {unknown.length > 0 && (
        <section>
          <h2>Nobody knows what became of these</h2>
          {unknown.map((action) => (
            <Unknown key={action.id} action={action} />
          ))}
        </section>
      )}
      <section>
        <h2>Would have been done</h2>
        <Report />
      </section>
      <section>
        <h2>All</h2>
        <Empty of={others}>Nothing was decided yet.</Empty>
        <ul class="rows">
          {(others ?? []).slice(0, SHOWN).map((action) => (
            <li key={action.id}>
              <a class="row" href={linkTo("incidents", action.incidentId)}>
                <span class="row-head">
                  <Badge of={action.state} /> <strong>{skillName(action)}</strong>
                </span>
                <span class="quiet">
                  {causeName(action.cause)} · {ago(action.createdAtMs, nowMs.value)} · {action.reason}
                </span>
              </a>
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}

function Unknown({ action }: { readonly action: Action }) {
  const settle = (outcome: "helped" | "useless" | "failed") => async () => {
    await call("coordinator.settleAction", { id: action.id, outcome }).finally(refreshActions);
  };
  return (
    <article class="card" aria-label={`Unknown: ${skillName(action)}`}>
      <p class="row-head">
        <strong>{skillName(action)}</strong>
      </p>
      <p class="quiet">
        {action.reason} <a href={linkTo("incidents", action.incidentId)}>See the incident</a>
      </p>
      {may("approve") && (
        <div class="answer">
          <Ask label="It helped" work={settle("helped")} />
          <Ask label="It did not help" work={settle("useless")} />
          <Ask label="It was not done" work={settle("failed")} />
        </div>
      )}
    </article>
  );
}

function Report() {
  const report = toWouldHaveDone(actions.value ?? [], new Map((incidents.value ?? []).map((one) => [one.id, one])));
  if (report.length === 0) return <p class="empty">No skill in the mode observe was decided on.</p>;
  return (
    <div class="wide" role="region" aria-label="Would have been done" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Would have done</th>
            <th scope="col">Rule</th>
            <th scope="col" class="figure">
              Times
            </th>
            <th scope="col" class="figure">
              Ended by themselves
            </th>
            <th scope="col" class="figure">
              Open
            </th>
            <th scope="col">Last</th>
          </tr>
        </thead>
        <tbody>
          {report.map((one) => (
            <tr key={`${one.rule} ${one.skill} ${one.target}`}>
              <th scope="row">{skillName(one)}</th>
              <td>{one.rule}</td>
              <td class="figure">{one.times}</td>
              <td class="figure">{one.endedByThemselves}</td>
              <td class="figure">{one.stillOpen}</td>
              <td>{ago(one.lastAtMs, nowMs.value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
