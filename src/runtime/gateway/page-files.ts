/** The files of the page, read once: they are few and small, and a name that was not read cannot be asked for. */
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { pathOf } from "../http/own-path.ts";

export interface PageFile {
  readonly headers: Readonly<Record<string, string>>;
  readonly content: Buffer;
  /** The same, compressed, the smallest first; those that the build made. */
  readonly encodings: readonly { readonly name: "br" | "gzip"; readonly content: Buffer }[];
}

export interface PageFiles {
  /** @param url as it is asked for, `/` being the page itself; a query changes nothing */
  find(url: string): PageFile | undefined;
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Nothing from elsewhere, nothing in the document, nobody around it. */
const PAGE_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const GUARDS = { "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" };

/** @param folder of the build; where there is none there is no page */
export async function readPageFiles(folder: string): Promise<PageFiles> {
  const files = new Map<string, PageFile>();
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  for (const name of names) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const content = await readFile(join(folder, name));
    const encodings: PageFile["encodings"][number][] = [];
    // Browsers take brotli from this machine or over TLS only.
    for (const [encoding, extension] of [
      ["br", ".br"],
      ["gzip", ".gz"],
    ] as const) {
      const compressed = await readFile(join(folder, `${name}${extension}`)).catch(() => undefined);
      if (compressed !== undefined) encodings.push({ name: encoding, content: compressed });
    }
    const isPage = name === "index.html";
    const headers = {
      "content-type": type,
      ...GUARDS,
      // Every other name has a hash of its content in it.
      "cache-control": isPage ? "no-store" : "public, max-age=31536000, immutable",
      ...(isPage ? { "content-security-policy": PAGE_CSP, "cross-origin-opener-policy": "same-origin" } : {}),
      ...(encodings.length === 0 ? {} : { vary: "accept-encoding" }),
    };
    files.set(isPage ? "/" : `/${name.replaceAll("\\", "/")}`, { headers, content, encodings });
  }
  return { find: (url) => files.get(pathOf(url)) };
}
