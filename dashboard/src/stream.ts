/** Server-sent events of the organism, as long as the page is seen. */
export interface Listener<T> {
  readonly take: (event: T) => void;
  /** Called each time it begins: what happened before is asked for. */
  readonly opened?: () => void;
}

const AGAIN_MS = 2_000;

/**
 * Listens at `url`, also after the stream broke. A browser has six connections to one host, for all its windows: hidden
 * ones hold none of them. What it returns ends that.
 */
export function listen<T>(url: string, { take, opened }: Listener<T>): () => void {
  let stream: EventSource | undefined;
  let timer: number | undefined;
  const close = () => {
    clearTimeout(timer);
    stream?.close();
  };
  const open = () => {
    close();
    if (document.visibilityState !== "visible") return;
    const mine = new EventSource(url);
    stream = mine;
    mine.onopen = () => opened?.();
    mine.onmessage = ({ data }: MessageEvent<string>) => take(JSON.parse(data) as T);
    // By itself the browser connects again only when the connection broke, not when it was refused for a while.
    mine.onerror = () => {
      if (mine.readyState === EventSource.CLOSED) timer = window.setTimeout(open, AGAIN_MS);
    };
  };
  document.addEventListener("visibilitychange", open);
  open();
  return () => {
    document.removeEventListener("visibilitychange", open);
    close();
  };
}
