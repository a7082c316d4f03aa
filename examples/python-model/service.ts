/** A TypeScript service that asks a Python model on Ray Serve (sentiment_model.py). README.md runs both. */
import { defineContract, defineService, implement, procedure, z } from "seedcore";

/** The deployment's methods as a contract: the fields of an input are their keyword arguments. */
const sentimentModel = defineContract("sentiment-model", {
  summary: "What sentiment_model.py offers.",
  state: "none",
  procedures: {
    predict: procedure({
      summary: "Judges one text.",
      method: "POST",
      path: "/predict",
      input: z.object({ text: z.string() }),
      output: z.object({ label: z.enum(["good", "bad"]), probability: z.number().min(0.5).max(1) }),
      // Reads only, so what was lost on the way may be asked again.
      idempotent: true,
    }),
    describe: procedure({
      summary: "How well it does on reviews it was not fitted on.",
      method: "GET",
      path: "/describe",
      input: z.object({}),
      output: z.object({ accuracy: z.number() }),
    }),
  },
});

export const reviews = defineContract("reviews", {
  summary: "Judges reviews.",
  state: "none",
  procedures: {
    judge: procedure({
      summary: "Judges each review, and all of them.",
      method: "POST",
      path: "/judge",
      input: z.object({ texts: z.array(z.string().min(1).max(5_000)).min(1).max(100) }),
      output: z.object({
        judged: z.array(z.object({ text: z.string(), label: z.enum(["good", "bad"]), probability: z.number() })),
        goodShare: z.number(),
      }),
      idempotent: true,
      deadlineMs: 10_000,
    }),
    accuracy: procedure({
      summary: "How far the judgements can be trusted.",
      method: "GET",
      path: "/accuracy",
      input: z.object({}),
      output: z.object({ accuracy: z.number() }),
    }),
  },
});

export default defineService(reviews, (context) => {
  const model = context.serve("sentiment/Model", sentimentModel);
  return implement(reviews, {
    async judge({ texts }, { signal }) {
      const answers = await Promise.all(
        texts.map(async (text) => ({ text, ...(await model.predict({ text }, { signal })) })),
      );
      const good = answers.filter(({ label }) => label === "good").length;
      return { judged: answers, goodShare: good / answers.length };
    },
    accuracy: (_input, { signal }) => model.describe({}, { signal }),
  });
});
