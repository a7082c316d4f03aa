import fc from "fast-check";
import { expect, it } from "vitest";
import { CHANNELS } from "./notification-body.ts";

const notification = {
  message: "disk <full> & *slow*",
  taskId: "task_1",
  data: { severity: "high", "host-name": "a", "2nd": 2, isOpen: true, list: ["x"], none: null },
  isOver: false,
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
      endsAt: "2026-11-28T00:00:00.000Z",
    },
  ]);
});

// Without an end Alertmanager took the alert for over after five minutes, and went on with it when it was.
it("ends the alert with the same labels", () => {
  const labelsOf = (isOver: boolean) =>
    (CHANNELS.alertmanager({ ...notification, isOver }) as { labels: object; startsAt?: string; endsAt: string }[])[0];
  expect(labelsOf(true)).toMatchObject({ labels: labelsOf(false)?.labels, endsAt: "2026-11-27T00:00:00.000Z" });
  expect(labelsOf(true)?.startsAt).toBeUndefined();
  expect(CHANNELS.slack({ ...notification, isOver: true })).toMatchObject({
    text: expect.stringMatching(/^Over: disk/),
  });
  expect(CHANNELS.webhook({ ...notification, isOver: true })).toMatchObject({ isOver: true });
});

// Alertmanager refuses the whole request for one bad name or nothing in its labels, Slack for one text that is too long.
it("is within the receivers' limits whatever it is given", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 5_000, size: "max" }),
    fc.tuple(fc.constantFrom("&", "<", "a", "😀"), fc.nat(9_000)).map(([one, times]) => one.repeat(times)),
  );
  const data = fc.dictionary(text, fc.oneof(text, fc.double(), fc.boolean(), fc.constant(null)), { maxKeys: 12 });
  fc.assert(
    fc.property(text, fc.boolean(), data, (some, isOver, values) => {
      const message = some.slice(0, 10_000) || "m";
      const given = { ...notification, message, isOver, data: values as never };
      const [alert] = CHANNELS.alertmanager(given) as { labels: Record<string, string> }[];
      for (const name of Object.keys(alert?.labels ?? {})) expect(name).toMatch(/^[A-Za-z_][A-Za-z0-9_]*$/);
      expect(alert?.labels["alertname"]).not.toBe("");
      const slack = CHANNELS.slack(given) as {
        text: string;
        blocks: { text?: { text: string }; fields?: { text: string }[] }[];
      };
      const [section, more] = slack.blocks;
      const fields = more?.fields?.map((field) => field.text) ?? [];
      expect(fields.length).toBeLessThanOrEqual(10);
      expect(more === undefined || fields.length > 0).toBe(true);
      for (const [one, most] of [
        [slack.text, 3_000],
        [section?.text?.text ?? "", 3_000],
        ...fields.map((field) => [field, 2_000] as const),
      ] as const) {
        expect(one.length).toBeGreaterThan(0);
        expect(one.length).toBeLessThanOrEqual(most);
        expect(one).not.toMatch(/&(?!(amp|lt|gt);)|[<>]/);
      }
    }),
  );
});

it("has an alert's name also where the data have an empty one", () => {
  expect(CHANNELS.alertmanager({ ...notification, data: { alertname: "", a: "" } })).toMatchObject([
    { labels: { alertname: "SeedCore" } },
  ]);
});

// What was cut within an escape or a character showed as rubbish; what fits must not be cut.
it("cuts a long text for Slack between characters, and no other", () => {
  const shown = (message: string) => (CHANNELS.slack({ ...notification, message }) as { text: string }).text;
  expect(shown("a".repeat(3_000))).toBe("a".repeat(3_000));
  expect(shown("a".repeat(3_001))).toBe(`${"a".repeat(2_999)}…`);
  expect(shown(`${"a".repeat(2_995)}&&`)).toBe(`${"a".repeat(2_995)}…`);
  expect(shown(`${"a".repeat(2_998)}😀😀`)).toBe(`${"a".repeat(2_998)}…`);
});
