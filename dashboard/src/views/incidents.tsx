import { useState } from "preact/hooks";
import { IncidentList } from "../parts/incident-list.tsx";
import { Empty } from "../parts/loading.tsx";
import { incidents } from "../live.ts";

export function IncidentsView() {
  const [text, setText] = useState("");
  const wanted = text.toLowerCase();
  const found = incidents.value?.filter(({ id, title, series, cause }) =>
    `${id} ${title} ${series.join(" ")} ${cause?.service ?? ""} ${cause?.kind ?? ""}`.toLowerCase().includes(wanted),
  );
  return (
    <>
      <h1>Incidents</h1>
      <input
        type="search"
        aria-label="Filter by series, service or cause"
        placeholder="Filter by series, service or cause"
        value={text}
        onInput={({ currentTarget }) => setText(currentTarget.value)}
      />
      <Empty of={found}>{text === "" ? "There has been no incident." : `Nothing with “${text}”.`}</Empty>
      <IncidentList incidents={found ?? []} />
    </>
  );
}
