/**
 * undici's pool by itself: the package's main module also loads fetch, WebSocket and caches (13 MB in every process) and
 * replaces the dispatcher of Node's own fetch.
 */
declare module "undici/lib/dispatcher/pool.js" {
  import type { Pool } from "undici";

  const pool: typeof Pool;
  export default pool;
}
