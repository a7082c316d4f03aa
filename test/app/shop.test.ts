/**
 * The whole loop over real services under load, with nothing told to anybody: examples/shop and its demonstration, as the
 * organism tells it and as the page shows it.
 */
import { expect, it } from "vitest";
import { play } from "../../examples/shop/demo/outcome.ts";
import { decoyScene, faultScene, seededRandom } from "../../examples/shop/demo/scene.ts";
import { LEARNING_S, openStage } from "../../examples/shop/demo/stage.ts";
import { openShopPage } from "./shop-page.ts";

/** For which the same must have been to blame before the policy restarts it, where there is no experience. */
const POLICY_WAITS_MS = 15_000;
const TIMEOUT_MS = 900_000;

// Each of its parts had been right by itself when a fault six minutes after a deploy was put down to the deploy.
it(
  "blames the service that is slow, restarts it, leaves a surge alone, and is quicker the second time",
  async () => {
    const seed = Math.floor(Math.random() * 1e6);
    const random = seededRandom(seed);
    const story: string[] = [`seed ${seed}`];
    const hear = (text: string, atMs: number) => void story.push(`${(atMs / 1_000).toFixed(1)} ${text}`);
    await using stage = await openStage(() => {});
    const learned = new Promise((resolve) => setTimeout(resolve, LEARNING_S * 1_000));
    await using page = await openShopPage(stage);
    await page.expectCalls();
    await learned;

    const blamed = page.expectBlame("shop-stock").catch((error: unknown) => error);
    const first = await play(stage, faultScene("stock", "latency", random), hear);
    expect(first, story.join("\n")).toMatchObject({ isCauseRight: true, wrongActions: [] });
    expect(first.repairedMs, story.join("\n")).not.toBeNull();
    expect(await blamed, "The page should say what is to blame while it is.").toBeUndefined();
    await page.expectStory(first.incidents[0] ?? "");

    const surge = await play(stage, decoyScene("surge", random), hear);
    expect(surge.wrongActions, story.join("\n")).toEqual([]);

    const second = await play(stage, faultScene("stock", "latency", random), hear);
    expect(second, story.join("\n")).toMatchObject({ isCauseRight: true, wrongActions: [] });
    expect(second.repairedMs, story.join("\n")).not.toBeNull();
    await page.expectStory(second.incidents[0] ?? "");
    expect((second.actedMs ?? Infinity) - (second.noticedMs ?? 0), story.join("\n")).toBeLessThan(POLICY_WAITS_MS);
  },
  TIMEOUT_MS,
);
