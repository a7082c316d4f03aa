import fc from "fast-check";
import { expect, test } from "vitest";
import type { ServiceError } from "#core/service-error.ts";
import type { Priority } from "#runtime/call.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { Admission } from "./admission.ts";

type Step =
  | { readonly do: "enter"; readonly priority: Priority; readonly waitMs: number }
  | { readonly do: "leave" }
  | { readonly do: "cancel" }
  | { readonly do: "wait"; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("enter" as const),
    priority: fc.constantFrom<Priority>("critical", "normal", "background"),
    waitMs: fc.integer({ min: 0, max: 30 }),
  }),
  fc.record({ do: fc.constant("leave" as const) }),
  fc.record({ do: fc.constant("cancel" as const) }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 20 }) }),
);

test("whatever happens: limits hold, nobody waits beside a free place, and no place is lost", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const clock = createFakeClock();
      const admission = new Admission(clock, { maxConcurrency: 2, maxQueue: 3 });
      let inside = 0;
      let asked = 0;
      let ended = 0;
      const cancels: ((error: ServiceError) => void)[] = [];
      for (const now of steps) {
        if (now.do === "enter") {
          asked++;
          admission
            .enter(now.priority, clock.monotonic() + now.waitMs, (leave) => cancels.push(leave))
            .then(
              () => inside++,
              () => ended++,
            );
        } else if (now.do === "leave" && inside > 0) {
          inside--;
          ended++;
          admission.leave(1);
        } else if (now.do === "cancel") cancels.pop()?.(new Error("gone") as ServiceError);
        await clock.advance(now.do === "wait" ? now.ms : 0);
        expect(admission.taken).toBe(inside);
        expect(admission.taken).toBeLessThanOrEqual(2);
        expect(admission.waiting).toBeLessThanOrEqual(3);
        if (admission.waiting > 0) expect(admission.taken).toBe(2);
        expect(inside + ended + admission.waiting).toBe(asked);
      }
      await clock.advance(100);
      expect(admission.waiting).toBe(0);
      expect(clock.pending).toBe(0);
    }),
  );
});
