/** The page in a real browser, over a real organism: what a person sees and can do there. */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestOrganism } from "../app/organism.ts";
import { CONTEXT, openBrowser } from "./browser.ts";

const VIEWS = ["", "incidents", "series", "map", "actions", "tasks", "agents"];
const MOST_BYTES = 120 * 1024;
const POLICY = [{ name: "repair", when: "true", skill: "restart-host", target: "ml" }];

let organism: TestOrganism;
let url: string;
let browser: Browser;
let context: BrowserContext;
let page: Page;
/** What the browser complained about: a policy that was broken, a script that failed. */
const complaints: string[] = [];

beforeAll(async () => {
  organism = await TestOrganism.create();
  writeFileSync(join(organism.home, "policy.json"), JSON.stringify({ services: { coordinator: { policy: POLICY } } }));
  organism.environment.SEEDCORE_CONFIG = join(organism.home, "policy.json");
  ({ gatewayUrl: url } = await organism.up());
  browser = await openBrowser();
});

afterAll(async () => {
  await browser.close();
  await organism.destroy();
});

async function send(method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${organism.token()}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  expect(response.status).toBe(200);
  return response.json();
}

/** Five minutes of nothing, and then something. */
function feed(name: string): Promise<unknown> {
  const nowMs = Math.floor(Date.now() / 1_000) * 1_000;
  const points = Array.from({ length: 300 }, (_, i) => [nowMs - (299 - i) * 1_000, i === 299 ? 93 : 20 + (i % 7) / 7]);
  return send("POST", "/ml/sources/shop/points", { series: [{ name, points, minimumChange: 5 }] });
}

async function open(width: number, colorScheme: "light" | "dark"): Promise<void> {
  context = await browser.newContext({ ...CONTEXT, viewport: { width, height: 900 }, colorScheme });
  page = await context.newPage();
  page.on("console", (message) => {
    // Being refused is part of the scene, without a session and after it; and so is what does not answer.
    const isMeant = /\b401\b|net::ERR_FAILED/.test(message.text());
    if (message.type() === "error" && !isMeant) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(`${url}/#token=${organism.token()}`);
  await page.getByRole("heading", { name: "Overview" }).waitFor();
}

const go = (...parts: string[]) => page.goto(`${url}/#/${parts.map(encodeURIComponent).join("/")}`);

describe("a person at the page", () => {
  it("is signed in by the printed address, which forgets the token", async () => {
    await open(1_600, "light");
    expect(page.url()).toBe(`${url}/#/`);
    const [cookie] = await context.cookies();
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Strict" });
    expect(cookie?.value).not.toContain(organism.token());
    await page.getByText("Nothing is out of its routine.").waitFor();
    await page
      .getByRole("row", { name: /coordinator/ })
      .getByText("ready")
      .waitFor();
  });

  it("sees an incident as it begins, without asking", async () => {
    await feed("latency");
    await page.getByRole("link", { name: /shop\/latency moved up/ }).waitFor({ timeout: 10_000 });
    await page.getByRole("heading", { name: "Waiting for you" }).waitFor();
  });

  it("reads its story, and sees its series with what was noticed", async () => {
    await page.getByRole("link", { name: /shop\/latency moved up/ }).click();
    await page.getByText(/moved up to 93 where 20.* was routine/).waitFor();
    await page.getByRole("img", { name: /shop\/latency: now 93.*1 noticed/ }).waitFor();
    await page.getByText("Why", { exact: true }).waitFor();
  });

  it("approves what is proposed, and sees it done", async () => {
    await page.getByRole("button", { name: "Approve" }).click();
    await page.getByText("Approved by owner", { exact: false }).first().waitFor({ timeout: 20_000 });
    const { actions } = (await send("GET", "/coordinator/actions")) as {
      actions: { decidedBy: string; taskId: string }[];
    };
    expect(actions[0]).toMatchObject({ decidedBy: "owner", taskId: expect.any(String) as string });
    await page.getByText("executed restart-host").waitFor({ timeout: 30_000 });
  });

  it("says that somebody is at it", async () => {
    await page.getByRole("button", { name: "I am at it" }).click();
    await page.getByText("owner is at it").first().waitFor();
  });

  it("says that it was none", async () => {
    await page.getByRole("button", { name: "Not an incident" }).click();
    await page.getByText("It is labelled: not-an-incident").waitFor();
  });

  it("finds one series of five hundred", async () => {
    const nowMs = Math.floor(Date.now() / 1_000) * 1_000;
    const points = Array.from({ length: 60 }, (_, i) => [nowMs - (59 - i) * 1_000, Math.sin(i)]);
    const series = Array.from({ length: 500 }, (_, i) => ({ name: `s${i}`, points }));
    await send("POST", "/ml/sources/many/points", { series });
    await go("series", "many");
    await page.getByRole("listitem").nth(499).waitFor({ state: "attached" });
    await page.getByRole("searchbox").fill("s499");
    await page.getByRole("link", { name: /^s499 / }).click();
    await page.getByRole("img", { name: /many\/s499: now/ }).waitFor();
  });

  it("gets to every view and through a list with the keyboard alone", async () => {
    await go("");
    // The session outlives a reload, and the focus begins at the top.
    await page.reload();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement?.textContent")).toContain("Skip to the content");
    for (const _view of VIEWS.slice(0, 2)) await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Incidents" }).waitFor();
  });

  // The clock of the page went on well each second, and took back what the others had said.
  it("is told for as long as something does not answer", async () => {
    const told = page.getByText("The organism does not answer");
    await page.route("**/telemetry/status", (route) => route.abort());
    await told.waitFor();
    await page.waitForTimeout(2_500);
    expect(await told.isVisible()).toBe(true);
    await page.unroute("**/telemetry/status");
    await told.waitFor({ state: "hidden" });
  });

  it("signs out, and in again with a token", async () => {
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Token").fill("a.b.c");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page
      .getByRole("alert")
      .getByText(/malformed|token/i)
      .waitFor();
    await page.getByLabel("Token").fill(organism.token());
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Incidents" }).waitFor();
    await context.close();
  });
});

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}

// What somebody cannot read, reach or hear; and what is cut off on a telephone.
describe.each([
  [1_600, "light"],
  [400, "dark"],
] as const)("at %i px, %s", (width, scheme) => {
  it("every view is accessible and no wider than the window", async () => {
    await open(width, scheme);
    const { incidents } = (await send("GET", "/coordinator/incidents")) as { incidents: { id: string }[] };
    for (const view of [...VIEWS, `incidents/${incidents[0]?.id}`]) {
      await page.goto(`${url}/#/${view}`);
      await page.getByRole("heading", { level: 1 }).waitFor();
      await page.waitForLoadState("networkidle").catch(() => {});
      const over = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
      expect(`${view}: ${String(over)} px too wide`).toBe(`${view}: 0 px too wide`);
      await page.evaluate(axe.source);
      const violations = (await page.evaluate("axe.run().then(({ violations }) => violations)")) as Violation[];
      expect(violations.map(({ id, nodes }) => `${view}: ${id} ${nodes[0]?.html}`)).toEqual([]);
    }
    await context.close();
  });
});

it("broke no rule of its own policy, and threw nothing", () => {
  expect(complaints).toEqual([]);
});

it("is small", () => {
  const folder = join(import.meta.dirname, "..", "..", "dist", "page");
  const sent = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".gz"));
  expect(sent.length).toBeGreaterThan(2);
  expect(readFileSync(join(folder, "index.html"), "utf8")).not.toContain("<style");
  expect(sent.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)).toBeLessThan(MOST_BYTES);
});
