/** The commands with which a person looks after the organism, against a real one: what each prints, read as a person would. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readOrCreateKeyPair } from "#runtime/auth/key-pair.ts";
import { mintToken } from "#runtime/auth/token.ts";
import { TestOrganism } from "../app/organism.ts";

let organism: TestOrganism;
/** Each incident is of a time of its own, so that none joins another. */
let atMs = Date.now() - 48 * 3_600_000;

const about = (series: string) => `incident.series.exists(s, s == "shop/${series}")`;
const flush = { skill: "run-command", params: { command: "flush" } };
const SETTINGS = {
  services: {
    organism: { commands: { flush: { argv: ["/bin/true"] } } },
    coordinator: {
      effects: { settleMs: 0, withinMs: 500 },
      policy: [
        { name: "ask", when: about("carts"), target: "carts", ...flush },
        { name: "flush", when: about("orders"), target: "orders", ...flush },
        { name: "more", when: about("queue"), skill: "scale-host", target: "gateway", params: { replicas: 2 } },
      ],
      modes: [
        { target: "orders", mode: "act" },
        { skill: "scale-host", mode: "observe" },
      ],
    },
  },
};

beforeAll(async () => {
  organism = await TestOrganism.create();
  organism.environment.SEEDCORE_CONFIG = join(organism.home, "care.json");
  writeFileSync(organism.environment.SEEDCORE_CONFIG, JSON.stringify(SETTINGS));
  await organism.up();
});
afterAll(async () => {
  await organism.destroy();
});

const seedcore = (...args: string[]) => organism.run(...args);

/** What it prints, when it succeeds. */
async function read(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await seedcore(...args);
  if (code !== 0) throw new Error(`seedcore ${args.join(" ")} exited with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

async function call<T>(procedure: string, input: object): Promise<T> {
  return JSON.parse(await read("call", procedure, JSON.stringify(input), "--json")) as T;
}

/** A series leaves its routine; the incident that it opens. */
async function move(series: string): Promise<string | null> {
  atMs += 3_600_000;
  const id = `shop/${series}@${atMs}`;
  const crossing = {
    id,
    source: "shop",
    series,
    startedAtMs: atMs,
    direction: "up",
    value: 90,
    expected: 10,
    spread: 1,
    score: 1,
  };
  return (await call<{ incidentId: string | null }>("coordinator.reportCrossing", { id, crossing })).incidentId;
}

it("says that there is nothing where there is nothing", async () => {
  expect(await read("approve")).toBe("Nothing waits for approval.\n");
  expect(await read("settle")).toBe("What became of every action is known.\n");
  expect(await read("report")).toContain("Nothing would have been done that was not");
  expect(await read("calibration")).toContain("No cause was put to the test yet");
  expect(await read("policy", "test")).toBe("There is no incident to try it on.\n");
  expect(await read("silence")).toBe("Nothing is silenced, now or to come.\n");
  expect(await read("maintenance")).toBe("There is no maintenance, now or to come.\n");
});

it("silence keeps a series from opening an incident until it ends", async () => {
  expect(await read("silence", "add", "shop/backup", "--for", "2h", "--reason", "nightly")).toMatch(
    /^Until 20\S+ \S+.* what shop\/backup does opens no incident\. It is scored all the same\.\n$/,
  );
  expect(await move("backup")).toBeNull();
  const [, id = ""] = /^(sil_\S+) {2}shop\/backup .* nightly$/m.exec(await read("silence")) ?? [];
  expect(await read("silence", "remove", id)).toBe("It has ended.\n");
  expect(await read("incidents")).toContain("shop/backup moved up");
  expect(await seedcore("silence", "remove", id)).toMatchObject({ code: 1, stdout: `There is no silence "${id}".\n` });
  expect((await seedcore("silence", "add")).stderr).toContain('seedcore silence add "host/*" --for 2h');
});

it("maintenance keeps everything from being done to a target until it ends", async () => {
  expect(await read("maintenance", "add", "orders", "--for", "2h", "--reason", "new release")).toContain(
    "nothing is done to orders; what would be is written down.",
  );
  const [, id = ""] = /^(mnt_\S+) {2}orders .* new release$/m.exec(await read("maintenance")) ?? [];
  await move("orders");
  expect(await read("actions")).toMatch(/observed .*run-command of orders .*There is maintenance of orders/);
  expect(await read("maintenance", "remove", id)).toBe("It has ended.\n");
  expect((await seedcore("maintenance", "remove", id)).code).toBe(1);
  expect(await seedcore("maintenance", "begin")).toMatchObject({ code: 2, stdout: "" });
});

it("a task plans for an incident, and fails at once for one that there is not", async () => {
  const submit = (incident: string) =>
    seedcore("task", "submit", "plan", "--params", JSON.stringify({ incident }), "--wait", "--json");
  const { stdout } = await submit((await move("shelf")) ?? "");
  expect(JSON.parse(stdout)).toMatchObject({
    state: "succeeded",
    organ: "cognitive_organ_1",
    result: { confidence: 0, steps: [{ action: "check" }, { action: "tell" }], missing: ["The cause."] },
  });
  const none = await submit("inc_none");
  expect(none.code).toBe(1);
  expect(JSON.parse(none.stdout)).toMatchObject({ state: "failed", attempts: 1 });
});

it("approve lists what waits, does it or not, and only for whoever may approve", async () => {
  const incident = await move("carts");
  const listed = await read("approve");
  const [, id = ""] = /^(act_\S+) +proposed .*run-command of carts/m.exec(listed) ?? [];
  expect(listed).toContain("A person must approve it.");
  // As of a variable that is empty: it had approved the newest.
  expect(await seedcore("approve", "")).toMatchObject({ code: 2, stdout: "" });

  // A program, or a person who may only operate, does not decide for those who answer for it.
  const { privateJwk } = readOrCreateKeyPair(join(organism.directory, "key.json"));
  const operator = { subject: "ada", namespace: "seedcore-dev", ttlMs: 600_000 };
  organism.environment.SEEDCORE_TOKEN = await mintToken(privateJwk, { ...operator, scopes: ["read", "operate"] });
  const refused = await seedcore("approve", id);
  delete organism.environment.SEEDCORE_TOKEN;
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toContain("approve");
  expect(refused.stderr).toContain("FORBIDDEN");

  expect(await read("approve", id.slice(-8), "--reject", "--reason", "it is the database")).toMatch(
    /^run-command of carts is not done; it had waited .*\.\n$/,
  );
  expect(await read("incidents", "show", incident ?? "")).toContain("Rejected by owner: it is the database.");
  await move("carts");
  const [, next = ""] = /^(act_\S+) +proposed /m.exec(await read("approve")) ?? [];
  expect(await read("approve", next)).toMatch(/^run-command of carts is acting, after it waited .*\.\n$/);
  expect((await seedcore("approve", "act_none")).stderr).toContain("List what waits:");
});

// A series that ml does not know, such as one whose source was removed, was asked for once a second and for ever.
it("settle lists what nobody knows the outcome of, and says it once", async () => {
  await move("orders");
  await expect.poll(() => read("settle"), { timeout: 20_000 }).toContain("run-command of orders");
  const [, id = ""] = /^(act_\S+) +unknown .*run-command of orders/m.exec(await read("settle")) ?? [];
  expect(await seedcore("settle", id)).toMatchObject({ code: 2, stdout: "" });
  expect(await seedcore("settle", id, "--outcome", "well")).toMatchObject({ code: 2, stdout: "" });
  expect(await seedcore("settle", "--outcome", "useless")).toMatchObject({ code: 2, stdout: "" });
  expect(await read("settle", id.slice(-8), "--outcome", "helped")).toBe("run-command of orders helped.\n");
  const again = await seedcore("settle", id, "--outcome", "failed");
  expect(again).toMatchObject({ code: 1, stdout: "" });
  expect(again.stderr).toContain("it is helped");
  expect(await read("actions", "--state", "helped")).toContain("owner looked: helped.");
});

it("report sums up what would have been done", async () => {
  const incident = await move("queue");
  const report = await read("report");
  expect(report).toMatch(/^WOULD HAVE DONE +RULE +TIMES +ENDED BY THEMSELVES/);
  expect(report).toMatch(new RegExp(`^scale-host of gateway +more +1 +0 .*${incident}$`, "m"));
});

it("policy shows what is in force: a good one takes effect while it runs, a bad one changes nothing", async () => {
  const { SEEDCORE_CONFIG: file = "" } = organism.environment;
  const apply = (rule: object) => {
    const { policy } = SETTINGS.services.coordinator;
    const coordinator = { ...SETTINGS.services.coordinator, policy: [...policy, rule] };
    writeFileSync(file, JSON.stringify({ services: { ...SETTINGS.services, coordinator } }));
  };
  const refusal = async () =>
    (JSON.parse(await read("policy", "--json")) as { refused: { source: string; problems: string[] } | null }).refused;
  const { pid } = organism.runFile();
  expect(await refusal()).toBeNull();
  apply({ name: "misspelt", when: "cause.knid == 'memory'", skill: "notify" });
  await expect.poll(() => read("logs"), { timeout: 30_000 }).toContain("knid");
  await expect.poll(refusal, { timeout: 30_000 }).toMatchObject({
    source: file,
    problems: [expect.stringContaining('Rule "misspelt"')],
  });
  expect(await read("policy")).toMatch(/^Refused .*care\.json.*\n.*knid.*\n1\. ask: run-command of carts\n/);
  // What starts meanwhile knows it, too.
  const coreReplicas = async () => {
    const { hosts } = JSON.parse(await read("status", "--json")) as {
      hosts: { name: string; replicas: { id: string }[] }[];
    };
    return hosts.find(({ name }) => name === "core")?.replicas.map(({ id }) => id) ?? [];
  };
  const [former = ""] = await coreReplicas();
  await call("telemetry.restartHost", { host: "core" });
  await expect.poll(coreReplicas, { timeout: 30_000 }).not.toContain(former);
  expect(await refusal()).toMatchObject({ source: file });
  apply({ name: "tell", when: "false", skill: "notify", params: { message: "m" } });
  await expect.poll(() => read("policy"), { timeout: 30_000 }).toMatch(/^4\. tell: notify\n {3}when false$/m);
  expect(await refusal()).toBeNull();
  expect(organism.runFile().pid).toBe(pid);
});

it("policy test tells what a policy would have decided, what nobody knows, and what is wrong with it", async () => {
  expect(await read("policy", "test")).toMatch(/ more +scale-host of gateway +observe +more \(observed\) /);
  const file = join(organism.home, "next.json");
  const rules = (...policy: object[]) => writeFileSync(file, JSON.stringify({ policy }));
  const tell = { skill: "notify", params: { message: "m" } };
  rules({ name: "hot", when: "system.cpu > 0.9", ...tell }, { name: "tell", ...tell });
  const tried = await read("policy", "test", file);
  expect(tried).toContain("tell, unless hot");
  expect(tried).toContain('Rule "hot" reads system.cpu, which is not kept of the past');
  rules({ name: "odd", skill: "restart-host", params: { host: "ml" } });
  const refused = await seedcore("policy", "test", file);
  expect(refused.code).toBe(1);
  expect(refused.stdout).toContain('write "target": "ml"');
  rules({ name: "slip", skill: "notify", params: { mesage: "m" } });
  expect((await seedcore("policy", "test", file)).stdout).toContain("mesage");
  rules({ nmae: "x" });
  expect((await seedcore("policy", "test", file)).stderr).toContain("cannot be used as a policy");
});

it("calibration holds what was said of causes against what was so", async () => {
  await call("cognitive.recordOutcome", { actionId: "act_1", rawConfidence: 0.8, wasRight: true });
  const calibration = await read("calibration");
  expect(calibration).toMatch(/^SAID +TIMES +SURE ON AVERAGE +RIGHT$/m);
  expect(calibration).toMatch(/^\d+ % to \d+ % +1 +\d+ % +100 %$/m);
});
