/** A headless browser from npm, as the tests of the page need it. */
import chromium from "@sparticuz/chromium";
import axe from "axe-core";
import { type Browser, chromium as playwright, type Page } from "playwright-core";

/** Started with none of the package's own arguments: they switch off what a page is protected by. */
export async function openBrowser(): Promise<Browser> {
  return playwright.launch({
    executablePath: await chromium.executablePath(),
    args: ["--no-sandbox", "--no-zygote"],
    headless: true,
  });
}

/** With no language of its own: where the system has none the browser says one that is none ("en-US@posix"). */
export const CONTEXT = { timezoneId: "UTC" } as const;

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}

/** What somebody cannot read, reach or hear in a page, and how much of it is cut off; nothing when all is well. */
export async function findFaults(page: Page): Promise<string[]> {
  const over = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
  await page.evaluate(axe.source);
  const violations = (await page.evaluate("axe.run().then(({ violations }) => violations)")) as Violation[];
  return [
    ...(over === 0 ? [] : [`${String(over)} px wider than the window`]),
    ...violations.map(({ id, nodes }) => `${id} ${nodes[0]?.html}`),
  ];
}
