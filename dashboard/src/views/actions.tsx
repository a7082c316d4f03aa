import { toWouldHaveDone } from "#app/cli/would-have-done.ts";
import { howToSettle, skillName } from "#contracts/action-text.ts";
import { causeName } from "#contracts/cause-text.ts";
import { call } from "../api.ts";
import { ago, percent } from "../format.ts";
import { type Action, incidents, nowMs, proposed, useLive } from "../live.ts";
import { Ask } from "../parts/ask.tsx";
import { Badge } from "../parts/badge.tsx";
import { Empty } from "../parts/loading.tsx";
import { Proposal } from "../parts/proposal.tsx";
import { Table } from "../parts/table.tsx";
import { linkTo } from "../place.ts";
import { may } from "../session.ts";

const SHOWN = 100;
/** That are asked for: the report is of all of them. */
const MOST_ACTIONS = 500;

export function ActionsView() {
  const all = useLive("coordinator.listActions", { limit: MOST_ACTIONS })?.actions;
  const waiting = proposed.value;
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
        <Report all={all} />
      </section>
      <section>
        <h2>How sure, and how often right</h2>
        <Calibration />
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
    await call("coordinator.settleAction", { id: action.id, outcome });
  };
  return (
    <article class="card" aria-label={`Unknown: ${skillName(action)}`}>
      <p class="row-head">
        <strong>{skillName(action)}</strong>
      </p>
      <p class="quiet">
        {action.reason} <a href={linkTo("incidents", action.incidentId)}>See the incident</a>
      </p>
      <p class="quiet">{howToSettle(action.id)}</p>
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

function Report({ all }: { readonly all: readonly Action[] | undefined }) {
  const report = all && toWouldHaveDone(all, new Map((incidents.value ?? []).map((one) => [one.id, one])));
  if (report === undefined || report.length === 0) {
    return <Empty of={report}>The mode observe kept nothing from being done.</Empty>;
  }
  return (
    <Table
      label="Would have been done"
      rows={report}
      keyOf={({ rule, skill, target }) => `${rule} ${skill} ${target}`}
      columns={[
        { name: "Would have done", of: skillName },
        { name: "Rule", of: ({ rule }) => rule },
        { name: "Times", look: "figure", of: ({ times }) => times },
        { name: "Ended by themselves", look: "figure", of: ({ endedByThemselves }) => endedByThemselves },
        { name: "Open", look: "figure", of: ({ stillOpen }) => stillOpen },
        { name: "Last", of: ({ lastAtMs }) => ago(lastAtMs, nowMs.value) },
      ]}
    />
  );
}

/** Confidences in causes beside what became of them. */
function Calibration() {
  const said = useLive("cognitive.calibration", {})?.bins.filter(({ predictions }) => predictions > 0);
  if (said === undefined || said.length === 0) return <Empty of={said}>No cause was put to the test yet.</Empty>;
  return (
    <Table
      label="How sure, and how often right"
      rows={said}
      keyOf={({ from }) => from}
      columns={[
        { name: "Said", of: ({ from, to }) => `${percent(from)} to ${percent(to)}` },
        { name: "Times", look: "figure", of: ({ predictions }) => predictions },
        { name: "Sure on average", look: "figure", of: ({ meanConfidence }) => percent(meanConfidence ?? 0) },
        { name: "Right", look: "figure", of: ({ rightShare }) => percent(rightShare ?? 0) },
      ]}
    />
  );
}
