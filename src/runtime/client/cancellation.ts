/** What code that can be cancelled needs of an AbortSignal, and no more. */
export interface Cancellation {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/**
 * Cancelled with its parent, or by itself. In the place of an AbortController for what every call needs one of and hardly
 * any uses: making one and listening on it cost more than sending the call's bytes.
 */
export class CancellationBranch implements Cancellation {
  readonly #parent: Cancellation;
  readonly #listeners = new Set<() => void>();
  readonly #follow = () => this.abort(this.#parent.reason);
  #aborted = false;
  #reason: unknown;

  constructor(parent: Cancellation) {
    this.#parent = parent;
    if (parent.aborted) this.#follow();
    else parent.addEventListener("abort", this.#follow);
  }

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  addEventListener(_type: "abort", listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: "abort", listener: () => void): void {
    this.#listeners.delete(listener);
  }

  /** The first reason counts. */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    for (const listener of this.#listeners) listener();
  }

  /** Lets go of the parent. */
  release(): void {
    this.#parent.removeEventListener("abort", this.#follow);
  }
}
