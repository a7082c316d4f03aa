/** The page as it is to somebody who watches the shop: what must be told there, seen in a headless browser. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { skillName } from "#contracts/action-text.ts";
import { causeName } from "#contracts/cause-text.ts";
import type { Stage } from "../../examples/shop/demo/stage.ts";
import { CONTEXT, findFaults, openBrowser } from "../page/browser.ts";

/** Of each service the ones that it calls. */
const CALLS = {
  "shop-cart": "shop-pricing, shop-stock",
  "shop-front": "shop-cart",
  "shop-pricing": "",
  "shop-stock": "",
};
const COUNTED_MS = 60_000;
const BLAMED_MS = 120_000;
const LOOKS = [
  { width: 1_600, colorScheme: "light" },
  { width: 400, colorScheme: "dark" },
] as const;

export interface ShopPage extends AsyncDisposable {
  /** Who calls whom, as the hosts count it: as it is in the shop. */
  expectCalls(): Promise<void>;
  /** Waits until the service is to blame, on the overview and on the map. */
  expectBlame(service: string): Promise<void>;
  /** All that is known of the incident: cause, reasons, alternatives, decisions, actions, effects. */
  expectStory(incidentId: string): Promise<void>;
}

export async function openShopPage(stage: Stage): Promise<ShopPage> {
  const status = await stage.seedcore("status", "--json");
  const { gatewayUrl, namespace } = JSON.parse(status) as { gatewayUrl: string; namespace: string };
  const token = readFileSync(join(process.env["SEEDCORE_HOME"] ?? "", namespace, "token"), "utf8").trim();
  const browser = await openBrowser();
  const page = await (await browser.newContext(CONTEXT)).newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.stack ?? error.message));
  const go = async (view: "Overview" | "Incidents" | "Map") => {
    const link = page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: new RegExp(`^${view}\\b`) });
    await link.click().catch(async (cause: unknown) => {
      const shown = await page.locator("body").textContent();
      throw new Error(`No way to ${view}; errors: ${errors.join("; ")}; shown: ${shown?.slice(0, 500)}`, { cause });
    });
    await page.getByRole("heading", { level: 1, name: view }).waitFor();
  };
  const look = async () => {
    for (const { width, colorScheme } of LOOKS) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      expect([width, ...(await findFaults(page))]).toEqual([width]);
    }
  };
  const row = (service: string) => page.getByRole("row", { name: new RegExp(`^${service}\\b`) });
  await page.goto(`${gatewayUrl}/#token=${token}`);
  await page.getByRole("heading", { name: "Overview" }).waitFor();

  const calls = async () => {
    const told = Object.keys(CALLS).map(async (service) => {
      const text = (await row(service).getByRole("cell").last().textContent()) ?? "";
      return [
        service,
        text
          .replace(/ \([^)]*\)/g, "")
          .split(", ")
          .sort()
          .join(", "),
      ] as const;
    });
    return Object.fromEntries(await Promise.all(told));
  };

  return {
    async expectCalls() {
      await go("Map");
      await expect.poll(calls, { timeout: COUNTED_MS }).toEqual(CALLS);
      expect(await page.locator("svg.map .node").count()).toBe(Object.keys(CALLS).length);
      expect(await page.locator("svg.map .edge").count()).toBe(3);
      expect(await page.locator("svg.map .burning").count()).toBe(0);
      await look();
      await go("Overview");
    },

    async expectBlame(service) {
      await row(service).getByText("to blame").waitFor({ timeout: BLAMED_MS });
      await go("Map");
      await row(service).getByText("to blame").waitFor();
      expect(await page.locator("svg.map .burning .title").allTextContents()).toEqual([service]);
      await go("Overview");
    },

    async expectStory(incidentId) {
      const { story, diagnosis, actions } = await stage.connection
        .getServiceClient("coordinator")
        .getIncident({ id: incidentId });
      await go("Incidents");
      await page.getByRole("main").locator(`a[href="#/incidents/${incidentId}"]`).click();
      await page.getByRole("heading", { name: "What happened" }).waitFor();
      const shown = (await page.getByRole("main").textContent()) ?? "";
      for (const { text } of [...story, ...(diagnosis?.cause.reasons ?? [])]) expect(shown).toContain(text);
      for (const action of actions) expect(shown).toContain(`${action.state} ${skillName(action)}${action.reason}`);
      for (const other of diagnosis?.alternatives.slice(0, 1) ?? []) {
        if (other.confidence < 0.01) continue;
        expect(shown).toContain(`Or: ${causeName(other)} (${Math.round(100 * other.confidence)} %)`);
      }
      await look();
      await go("Overview");
    },

    [Symbol.asyncDispose]: () => browser.close(),
  };
}
