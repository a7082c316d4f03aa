import fc from "fast-check";
import { expect, it } from "vitest";
import { CHANNELS } from "./notification-body.ts";

const notification = {
  message: "disk <full> & *slow*",
  taskId: "task_1",
  data: { severity: "high", "host-name": "a", "2nd": 2, isOpen: true, list: ["x"], none: null },
  nowMs: Date.UTC(2026, 10, 27),
};

// A message with < or & would be cut off or be a link.
it("escapes what Slack takes for markup, and shows the data as fields", () => {
  expect(CHANNELS.slack(notification)).toEqual({
    text: "disk &lt;full&gt; &amp; *slow*",
    blocks: [
      { type: "section", text: { type: "mrkdwn", text: "disk &lt;full&gt; &amp; *slow*" } },
      {
        type: "section",
        fields: [
          { type: "mrkdwn", text: "*severity*\nhigh" },
          { type: "mrkdwn", text: "*host-name*\na" },
          { type: "mrkdwn", text: "*2nd*\n2" },
          { type: "mrkdwn", text: "*isOpen*\ntrue" },
        ],
      },
    ],
  });
});

it("makes labels of what Alertmanager can group by", () => {
  expect(CHANNELS.alertmanager(notification)).toEqual([
    {
      labels: { alertname: "SeedCore", severity: "high", host_name: "a", _2nd: "2", isOpen: "true" },
      annotations: { summary: "disk <full> & *slow*", task: "task_1" },
      startsAt: "2026-11-27T00:00:00.000Z",
    },
  ]);
});

// Alertmanager refuses the whole request for one bad name, Slack for one block that is too long.
it("is within the receivers' limits whatever it is given", () => {
  const data = fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.constant(null)));
  fc.assert(
    fc.property(fc.string({ maxLength: 9_000 }), data, (message, some) => {
      const [alert] = CHANNELS.alertmanager({ ...notification, message, data: some as never }) as { labels: object }[];
      for (const name of Object.keys(alert?.labels ?? {})) expect(name).toMatch(/^[A-Za-z_][A-Za-z0-9_]*$/);
      const { blocks } = CHANNELS.slack({ ...notification, message, data: some as never }) as {
        blocks: { text?: { text: string }; fields?: unknown[] }[];
      };
      expect(blocks[0]?.text?.text.length).toBeLessThanOrEqual(3_000);
      expect(blocks[1]?.fields?.length ?? 0).toBeLessThanOrEqual(10);
    }),
  );
});
