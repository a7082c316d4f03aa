/**
 * Why bytes are not read or a value is not written.
 * - `malformed`: these are not the bytes a pickler writes
 * - `limit`: larger, deeper or more than the limits allow
 * - `unsupported`: understood, and outside of what is offered
 */
export type PickleFault = "malformed" | "limit" | "unsupported";

/** What both directions throw; nothing else comes out of them. */
export class PickleError extends Error {
  override readonly name = "PickleError";
  readonly fault: PickleFault;
  /** Where in the input, in bytes; undefined when writing, and for what is found after the last byte. */
  readonly offset: number | undefined;

  constructor(fault: PickleFault, message: string, offset?: number) {
    super(offset === undefined ? message : `${message} (at byte ${offset})`);
    this.fault = fault;
    this.offset = offset;
  }
}
