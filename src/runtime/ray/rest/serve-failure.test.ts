import { expect, it } from "vitest";
import { failureOf } from "./serve-failure.ts";
import type { ApplicationDetails } from "./serve-details.ts";

const application = (status: string, message: string, deployments: ApplicationDetails["deployments"] = {}) => ({
  name: "a",
  status,
  message,
  deployments,
  source: "declarative",
  last_deployed_time_s: 0,
  external_scaler_enabled: false,
});

// Serve's own sentence is "Failed to update the deployments": nobody can act on that.
it("names the cause that the replicas gave, without colours and traceback, and where their logs are", () => {
  const replica = { replica_id: "r", state: "STOPPED", node_id: "n1", log_file_path: "/serve/r.log" };
  const deployment = {
    name: "d",
    status: "DEPLOY_FAILED",
    status_trigger: "",
    message: "failed 3 times\n\u001b[36mray::d\u001b[39m\n  File x\nValueError: the model file is missing",
    target_num_replicas: 1,
    replicas: [],
    recent_dead_replicas: [replica],
  };
  const failure = failureOf(application("DEPLOY_FAILED", "Failed to update the deployments ['d'].", { d: deployment }));
  expect(failure?.reason).toBe("ValueError: the model file is missing");
  expect(failure?.message).toContain("failed 3 times\nray::d");
  expect(failure?.logs).toEqual([{ nodeId: "n1", file: "/serve/r.log" }]);
});

it("of an application that could not even be built, its own message; of one on its way, nothing", () => {
  const traceback = "Traceback:\n  File x\nModuleNotFoundError: No module named 'shim'";
  expect(failureOf(application("DEPLOY_FAILED", traceback))?.reason).toBe(
    "ModuleNotFoundError: No module named 'shim'",
  );
  expect(failureOf(application("UNHEALTHY", ""))?.reason).toContain("does not say why");
  expect(failureOf(application("DEPLOYING", "still at it"))).toBeUndefined();
});
