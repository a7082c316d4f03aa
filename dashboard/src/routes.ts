/** The procedures that the page calls, with their routes; routes.test.ts holds them to the contracts. */
export const ROUTES = {
  "cognitive.calibration": ["GET", "/calibration"],
  "coordinator.acknowledgeIncident": ["PUT", "/incidents/{id}/acknowledgement"],
  "coordinator.cancelTask": ["POST", "/tasks/{id}/cancel"],
  "coordinator.decideAction": ["POST", "/actions/{id}/decision"],
  "coordinator.getIncident": ["GET", "/incidents/{id}"],
  "coordinator.labelIncident": ["PUT", "/incidents/{id}/label"],
  "coordinator.listActions": ["GET", "/actions"],
  "coordinator.listIncidents": ["GET", "/incidents"],
  "coordinator.watchIncidents": ["GET", "/incidents/live"],
  "coordinator.listTasks": ["GET", "/tasks"],
  "coordinator.retryTask": ["POST", "/tasks/{id}/retry"],
  "coordinator.settleAction": ["POST", "/actions/{id}/outcome"],
  "ml.live": ["GET", "/sources/{source}/live"],
  "ml.points": ["GET", "/sources/{source}/series/{series}/points"],
  "ml.source": ["GET", "/sources/{source}"],
  "ml.sources": ["GET", "/sources"],
  "organism.organs": ["GET", "/organs"],
  "state.agents": ["GET", "/agents"],
  "telemetry.callGraph": ["GET", "/call-graph"],
  "telemetry.status": ["GET", "/status"],
} as const satisfies Readonly<Record<string, readonly [method: string, path: string]>>;

export type RouteName = keyof typeof ROUTES;
