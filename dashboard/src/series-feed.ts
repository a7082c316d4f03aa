/** Points of the series in view as they are scored: one stream for each source, with those of its series. */
import type { Output } from "./api.ts";
import { listen } from "./stream.ts";

export interface Follower {
  readonly series: string;
  readonly take: (atMs: number, value: number) => void;
  /** The points until now are to be read: the stream has only those from now on. */
  readonly opened: () => void;
}

interface Feed {
  readonly followers: Set<Follower>;
  timer: number | undefined;
  end: () => void;
}

/** The other connections that a browser grants are for the incidents and for calls. */
const MOST_FEEDS = 3;
/** Charts of one view come and go together. */
const SETTLED_MS = 20;

const feeds = new Map<string, Feed>();

/** Sources beyond the third are not followed. What it returns ends that. */
export function followSeries(source: string, follower: Follower): () => void {
  const feed = feeds.get(source) ?? { followers: new Set(), timer: undefined, end: () => {} };
  // Those that nobody follows any more are about to end: the charts of the next view must not go without for them.
  const others = [...feeds].filter(([name, { followers }]) => name !== source && followers.size > 0);
  if (others.length >= MOST_FEEDS) return () => {};
  feeds.set(source, feed);
  feed.followers.add(follower);
  reopen(source, feed);
  return () => {
    feed.followers.delete(follower);
    reopen(source, feed);
  };
}

function reopen(source: string, feed: Feed): void {
  clearTimeout(feed.timer);
  feed.timer = window.setTimeout(() => {
    feed.end();
    if (feed.followers.size === 0) feeds.delete(source);
    else feed.end = open(source, [...feed.followers]);
  }, SETTLED_MS);
}

function open(source: string, followers: readonly Follower[]): () => void {
  const query = new URLSearchParams([...new Set(followers.map(({ series }) => series))].map((one) => ["series", one]));
  return listen<Output<"ml.live">>(`/ml/sources/${encodeURIComponent(source)}/live?${query}`, {
    opened: () => followers.forEach(({ opened }) => opened()),
    take: ({ series, timestampMs, value }) => {
      for (const follower of followers) if (follower.series === series) follower.take(timestampMs, value);
    },
  });
}
