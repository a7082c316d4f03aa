import { z } from "zod";
import { defineContract, procedure } from "#core/contract.ts";

const Numbered = z.object({ n: z.int(), padding: z.string().optional() });

export const toy = defineContract("toy", {
  summary: "Misbehaves on request.",
  state: "none",
  procedures: {
    echo: procedure({
      summary: "Echo.",
      method: "GET",
      path: "/echo/{text}",
      input: z.object({ text: z.string() }),
      output: z.object({ text: z.string(), replica: z.string() }),
    }),
    slow: procedure({
      summary: "Slow.",
      method: "POST",
      path: "/slow",
      input: z.object({ ms: z.int() }),
      output: z.object({ ms: z.int() }),
    }),
    stubborn: procedure({
      summary: "Never ends, whatever its signal says.",
      method: "GET",
      path: "/stubborn",
      input: z.object({}),
      output: z.object({}),
    }),
    spawnChild: procedure({
      summary: "Starts a process.",
      method: "POST",
      path: "/child",
      input: z.object({}),
      output: z.object({ pid: z.int() }),
    }),
    numbers: procedure({
      summary: "Numbers.",
      method: "GET",
      path: "/numbers",
      input: z.object({ count: z.coerce.number().int() }),
      output: Numbered,
      stream: true,
    }),
    quiet: procedure({
      summary: "One event, then nothing.",
      method: "GET",
      path: "/quiet",
      input: z.object({}),
      output: Numbered,
      stream: true,
    }),
    crash: procedure({
      summary: "Throws outside of the call.",
      method: "POST",
      path: "/crash",
      input: z.object({}),
      output: z.object({}),
    }),
    inner: procedure({
      summary: "Calls itself.",
      method: "GET",
      path: "/inner/{text}",
      input: z.object({ text: z.string() }),
      output: z.object({ text: z.string() }),
    }),
    connected: procedure({
      summary: "Calls itself as any program would, by connect(), after closing what it was given.",
      method: "GET",
      path: "/connected",
      input: z.object({ namespace: z.string().optional() }),
      output: z.object({ target: z.string(), text: z.string(), isSame: z.boolean() }),
    }),
  },
});

export const counter = defineContract("counter", {
  summary: "Counts durably.",
  state: "single",
  procedures: {
    increment: procedure({
      summary: "One more.",
      method: "POST",
      path: "/increment",
      input: z.object({}),
      output: z.object({ count: z.int(), epoch: z.int() }),
    }),
    killThreads: procedure({
      summary: "Ends the threads of this process's databases.",
      method: "POST",
      path: "/threads/kill",
      input: z.object({}),
      output: z.object({ killed: z.int() }),
    }),
  },
});
