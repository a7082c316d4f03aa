import { expect, it } from "vitest";
import { createSendQueue } from "./send-queue.ts";

// Ray puts the chunks it gets together in the order they come: another request's would end up in the middle.
it("lets the messages of one request leave in a row", async () => {
  const queue = createSendQueue<string>();
  const sent: string[] = [];
  queue.push(["a1", "a2"], () => sent.push("a"));
  const stream = queue[Symbol.asyncIterator]();
  const out = [(await stream.next()).value];
  queue.push(["b1"], () => sent.push("b"));
  out.push((await stream.next()).value, (await stream.next()).value);
  expect([out, sent]).toEqual([
    ["a1", "a2", "b1"],
    ["a", "b"],
  ]);
});

it("takes back a request that has not left, and no half of one", async () => {
  const queue = createSendQueue<string>();
  const takeBackA = queue.push(["a1", "a2"], () => {});
  const takeBackB = queue.push(["b1"], () => {});
  const stream = queue[Symbol.asyncIterator]();
  await stream.next();
  takeBackA();
  takeBackB();
  queue.end();
  expect([await stream.next(), await stream.next()]).toEqual([
    { value: "a2", done: false },
    { value: undefined, done: true },
  ]);
});
