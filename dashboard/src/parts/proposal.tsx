import { useState } from "preact/hooks";
import { call } from "../api.ts";
import { skillName } from "#contracts/action-text.ts";
import { causeName } from "#contracts/cause-text.ts";
import { duration, percent } from "../format.ts";
import { type Action, nowMs } from "../live.ts";
import { linkTo } from "../place.ts";
import { may } from "../session.ts";
import { Ask } from "./ask.tsx";

/** What waits for a person, with the two answers. */
export function Proposal({ action }: { readonly action: Action }) {
  const [reason, setReason] = useState("");
  const decide = (approve: boolean) => async () => {
    await call("coordinator.decideAction", { id: action.id, approve, reason });
  };
  const { cause, expiresAtMs, reasoning } = action;
  return (
    <article class="card" aria-label={`Proposed: ${skillName(action)}`}>
      <p class="row-head">
        <strong>{skillName(action)}</strong>
      </p>
      <p class="quiet">
        {causeName(cause)}
        {cause === null ? "" : `, ${percent(cause.confidence)} sure`}; rule “{action.rule}”
        {expiresAtMs === null ? "" : `; expires in ${duration(expiresAtMs - nowMs.value)}`}.{" "}
        <a href={linkTo("incidents", action.incidentId)}>See the incident</a>
      </p>
      {reasoning === undefined ? null : <p class="quiet">{reasoning}</p>}
      {may("approve") ? (
        <div class="answer">
          <input
            aria-label="Why (may be left out)"
            placeholder="Why (may be left out)"
            value={reason}
            onInput={({ currentTarget }) => setReason(currentTarget.value)}
          />
          <Ask label="Approve" kind="primary" work={decide(true)} />
          <Ask label="Reject" work={decide(false)} />
        </div>
      ) : (
        <p class="quiet">Your token has no scope to approve.</p>
      )}
    </article>
  );
}
