/** The host's end of the control channel. */
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { FromHost, ToHost } from "./control.ts";

/** Where messages to the parent go. */
const PARENT_DESCRIPTOR = 3;

/** Writes one message before it returns. @throws Error when the parent is gone or gave no descriptor 3. */
export function sendToParent(message: FromHost): void {
  writeSync(PARENT_DESCRIPTOR, `${JSON.stringify(message)}\n`);
}

/**
 * Calls `receive` for every message and `ended` once when the parent is gone. The parent is our own; a line that is not
 * one of its messages is an error to end with, not to skip.
 */
export function listenToParent(input: Readable, receive: (message: ToHost) => void, ended: () => void): void {
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  lines.on("line", (line) => {
    if (line !== "") receive(toMessage(line));
  });
  lines.once("close", ended);
  input.once("error", ended);
}

function toMessage(line: string): ToHost {
  const message = JSON.parse(line) as ToHost | null;
  if (typeof message !== "object" || typeof message?.type !== "string") {
    throw new TypeError("A line of the control channel is not a message.");
  }
  return message;
}

/** Ends this process and everything it has started: hosts are spawned as leaders of their own group. */
export function killOwnGroup(): never {
  try {
    process.kill(-process.pid, "SIGKILL");
  } catch {
    // Not a group leader: started by hand.
  }
  process.exit(1);
}
