/** A headless browser from npm, as the tests of the page need it. */
import chromium from "@sparticuz/chromium";
import { type Browser, chromium as playwright } from "playwright-core";

/** Started with none of the package's own arguments: they switch off what a page is protected by. */
export async function openBrowser(): Promise<Browser> {
  return playwright.launch({
    executablePath: await chromium.executablePath(),
    args: ["--no-sandbox", "--no-zygote"],
    headless: true,
  });
}

/** uPlot formats times for the language of the browser, which is no language where the system has none. */
export const CONTEXT = { locale: "en-US", timezoneId: "UTC" } as const;
