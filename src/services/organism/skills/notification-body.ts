/** A notification as its receiver wants it. Pure. */
import type { z } from "zod";

export interface Notification {
  readonly message: string;
  readonly taskId: string;
  readonly data: Readonly<Record<string, z.core.util.JSONType>>;
  /** Whether it tells that what it told before is over. */
  readonly isOver: boolean;
  readonly nowMs: number;
}

export const CHANNELS = {
  /** `{"message","taskId","data","isOver"}` */
  webhook: ({ message, taskId, data, isOver }: Notification): unknown => ({ message, taskId, data, isOver }),

  /** An incoming webhook of Slack: the text for notifications, and the same with the data below it in blocks. */
  slack({ message, data, isOver }: Notification): unknown {
    const text = toMrkdwn(isOver ? `Over: ${message}` : message, MOST_SECTION);
    const fields = scalars(data)
      .slice(0, MOST_FIELDS)
      .map(([name, value]) => ({
        type: "mrkdwn",
        text: `*${toMrkdwn(name, MOST_FIELD_NAME)}*\n${toMrkdwn(value, MOST_FIELD - MOST_FIELD_NAME - 3)}`,
      }));
    const section = { type: "section", text: { type: "mrkdwn", text } };
    return { text, blocks: [section, ...(fields.length === 0 ? [] : [{ type: "section", fields }])] };
  },

  /**
   * Alertmanager's `/api/v2/alerts`: the data that are no lists or objects are labels, by which it groups and silences (an
   * empty one is none to it, and an alert must have one); the message is the summary. The alert fires until the same labels come with an end, for a day at most.
   */
  alertmanager({ message, taskId, data, isOver, nowMs }: Notification): unknown {
    const labels = scalars(data).flatMap(([name, value]) => (value === "" ? [] : [[toLabel(name), value] as const]));
    return [
      {
        labels: { alertname: "SeedCore", ...Object.fromEntries(labels) },
        annotations: { summary: message, task: taskId },
        ...(isOver ? {} : { startsAt: new Date(nowMs).toISOString() }),
        endsAt: new Date(isOver ? nowMs : nowMs + DAY_MS).toISOString(),
      },
    ];
  },
} as const satisfies Readonly<Record<string, (notification: Notification) => unknown>>;

const DAY_MS = 86_400_000;

/** Slack's limits: beyond one of them it refuses the whole message. */
const MOST_SECTION = 3_000;
const MOST_FIELDS = 10;
const MOST_FIELD = 2_000;
/** Ours, so that a long name leaves room for its value. */
const MOST_FIELD_NAME = 200;

/** What Slack would take for its own markup. */
const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

/** Escaped, and cut between characters to `most` where it is longer. */
function toMrkdwn(text: string, most: number): string {
  let out = "";
  let fitting = 0;
  for (const character of text) {
    out += ESCAPES[character] ?? character;
    if (out.length < most) fitting = out.length;
    else if (out.length > most) return `${out.slice(0, fitting)}…`;
  }
  return out;
}

function scalars(data: Notification["data"]): [name: string, value: string][] {
  return Object.entries(data).flatMap(([name, value]) =>
    typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? [[name, String(value)]] : [],
  );
}

/** A label's name has letters, digits and underscores, and begins with no digit. */
const toLabel = (name: string): string => name.replace(/[^A-Za-z0-9_]/g, "_").replace(/^(?=\d|$)/, "_");
