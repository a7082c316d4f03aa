/** A source that cannot be read at all. The message says what was given and why it cannot work, the hint what to do. */
export class SourceError extends Error {
  override readonly name = "SourceError";
  readonly hint: string;

  constructor(message: string, options: { readonly hint: string; readonly cause?: unknown }) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.hint = options.hint;
  }
}
