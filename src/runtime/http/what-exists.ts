/** Answers for addresses that lead nowhere: they say what exists instead. */
import { ServiceError } from "#core/service-error.ts";
import type { Routed } from "./route-table.ts";

/** NOT_FOUND, or METHOD_NOT_ALLOWED where the path exists with other methods. */
export function nothingAt(plans: readonly Routed[], method: string, url: string): ServiceError {
  const path = url.split("?", 1)[0] ?? "";
  const allowed = plans.filter((plan) => matcher(plan).test(path)).map((plan) => plan.procedure.method);
  if (allowed.length > 0) {
    return new ServiceError("METHOD_NOT_ALLOWED", `${path} takes ${allowed.join(", ")}, not ${method}.`, {
      data: { allowed },
    });
  }
  const name = path.split("/", 2)[1] ?? "";
  const ofService = plans.filter((plan) => plan.contract.name === name);
  if (ofService.length > 0) {
    const routes = ofService.map((plan) => `${plan.procedure.method} ${pathOf(plan)}`);
    return new ServiceError("NOT_FOUND", `The service ${name} has no ${path}. It has: ${routes.join("; ")}.`, {
      data: { routes },
    });
  }
  const services = [...new Set(plans.map((plan) => plan.contract.name))];
  return new ServiceError("NOT_FOUND", `There is nothing at ${path}. The services here are: ${services.join(", ")}.`, {
    data: { services },
  });
}

/** `/<service><path>` with its parameters in braces. */
export function pathOf(plan: Routed): string {
  return `/${plan.contract.name}${plan.procedure.path === "/" ? "" : plan.procedure.path}`;
}

function matcher(plan: Routed): RegExp {
  const escaped = pathOf(plan).replace(/[.*+?^$()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replace(/\{[^}]+\}/g, "[^/]+")}$`);
}
