/** A notification as its receiver wants it. Pure. */
import type { z } from "zod";

export interface Notification {
  readonly message: string;
  readonly taskId: string;
  readonly data: Readonly<Record<string, z.core.util.JSONType>>;
  readonly nowMs: number;
}

export const CHANNELS = {
  /** `{"message","taskId","data"}` */
  webhook: ({ message, taskId, data }: Notification): unknown => ({ message, taskId, data }),

  /** An incoming webhook of Slack: the text for notifications, and the same with the data below it in blocks. */
  slack({ message, data }: Notification): unknown {
    const text = escaped(message);
    const fields = scalars(data).map(([name, value]) => ({
      type: "mrkdwn",
      text: `*${escaped(name)}*\n${escaped(value)}`,
    }));
    const section = { type: "section", text: { type: "mrkdwn", text: text.slice(0, MOST_SECTION) } };
    return {
      text,
      blocks: [section, ...(fields.length === 0 ? [] : [{ type: "section", fields: fields.slice(0, MOST_FIELDS) }])],
    };
  },

  /**
   * Alertmanager's `/api/v2/alerts`: the data that are no lists or objects are labels, by which it groups and silences; the
   * message is the summary. It ends the alert by itself after its `resolve_timeout`.
   */
  alertmanager({ message, taskId, data, nowMs }: Notification): unknown {
    const labels = scalars(data).map(([name, value]) => [toLabel(name), value] as const);
    return [
      {
        labels: { alertname: "SeedCore", ...Object.fromEntries(labels) },
        annotations: { summary: message, task: taskId },
        startsAt: new Date(nowMs).toISOString(),
      },
    ];
  },
} as const satisfies Readonly<Record<string, (notification: Notification) => unknown>>;

/** Slack's limits. */
const MOST_SECTION = 3_000;
const MOST_FIELDS = 10;

/** What Slack would take for its own markup. */
const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function scalars(data: Notification["data"]): [name: string, value: string][] {
  return Object.entries(data).flatMap(([name, value]) =>
    typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? [[name, String(value)]] : [],
  );
}

/** A label's name has letters, digits and underscores, and begins with no digit. */
const toLabel = (name: string): string => name.replace(/[^A-Za-z0-9_]/g, "_").replace(/^(?=\d|$)/, "_");
