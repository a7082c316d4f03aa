/** The frame: who is signed in, where one can go, and what is wrong now. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { followAll, incidents, proposed, status } from "./live.ts";
import { linkTo, place } from "./place.ts";
import { session, signOut } from "./session.ts";
import { switchTheme, theme } from "./theme.ts";
import { trouble } from "./trouble.ts";
import { Ask } from "./parts/ask.tsx";
import { SignIn } from "./sign-in.tsx";
import { ActionsView } from "./views/actions.tsx";
import { AgentsView } from "./views/agents.tsx";
import { IncidentView } from "./views/incident.tsx";
import { IncidentsView } from "./views/incidents.tsx";
import { MapView } from "./views/map.tsx";
import { OverviewView } from "./views/overview.tsx";
import { SeriesView } from "./views/series.tsx";
import { TasksView } from "./views/tasks.tsx";

const VIEWS = [
  ["", "Overview"],
  ["incidents", "Incidents"],
  ["series", "Series"],
  ["map", "Map"],
  ["actions", "Actions"],
  ["tasks", "Tasks"],
  ["agents", "Agents"],
] as const;

export function App() {
  if (session.value === undefined) return null;
  return session.value === null ? <SignIn /> : <Signed key={JSON.stringify(session.value)} />;
}

function Signed() {
  useEffect(followAll, []);
  const [view = "", id] = place.value;
  const main = useRef<HTMLElement>(null);
  const [, title = "Nothing"] = VIEWS.find(([name]) => name === view) ?? [];
  useEffect(() => {
    document.title = `${title} · SeedCore`;
    scrollTo(0, 0);
  }, [title, id]);
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        Skip to the content
      </a>
      <header class="top">
        <span class="brand">
          SeedCore <span class="quiet">{status.value?.namespace}</span>
        </span>
        <nav aria-label="Views">
          {VIEWS.map(([name, label]) => (
            <a key={name} href={name === "" ? "#/" : linkTo(name)} aria-current={name === view ? "page" : undefined}>
              {label}
              <Count of={name} />
            </a>
          ))}
        </nav>
        <span class="who">
          <button
            type="button"
            class="plain"
            onClick={switchTheme}
            aria-label={`Switch to ${theme.value === "dark" ? "light" : "dark"}`}
          >
            {theme.value === "dark" ? "Light" : "Dark"}
          </button>
          <Ask label="Sign out" kind="plain" work={signOut} />
        </span>
      </header>
      <p class="trouble" role="status">
        {trouble.value}
      </p>
      <main id="main" tabIndex={-1} ref={main}>
        {viewOf(view, id, place.value)}
      </main>
      <News />
    </div>
  );
}

function viewOf(view: string, id: string | undefined, parts: readonly string[]): ComponentChildren {
  switch (view) {
    case "":
      return <OverviewView />;
    case "incidents":
      return id === undefined ? <IncidentsView /> : <IncidentView key={id} id={id} />;
    case "series":
      return <SeriesView source={id} series={parts[2]} />;
    case "map":
      return <MapView />;
    case "actions":
      return <ActionsView />;
    case "tasks":
      return <TasksView />;
    case "agents":
      return <AgentsView />;
    default:
      return (
        <p class="empty">
          There is nothing here. <a href="#/">Go to the overview</a>
        </p>
      );
  }
}

/** How many want to be looked at. */
function Count({ of }: { readonly of: string }) {
  const count =
    of === "incidents"
      ? (incidents.value ?? []).filter(({ state }) => state === "open").length
      : of === "actions"
        ? (proposed.value ?? []).length
        : 0;
  if (count === 0) return null;
  return (
    <span class="count">
      {count}
      <span class="unseen">{of === "incidents" ? " open" : " waiting"}</span>
    </span>
  );
}

/** Tells those who do not see the page what has changed. */
function News() {
  const open = (incidents.value ?? []).filter(({ state }) => state === "open");
  const waiting = (proposed.value ?? []).length;
  const [newest] = open;
  return (
    <p class="unseen" role="log" aria-live="polite">
      {newest === undefined ? "No incident is open." : `${open.length} open; the newest: ${newest.title}.`}
      {waiting === 0 ? "" : ` ${waiting} waiting for approval.`}
    </p>
  );
}
