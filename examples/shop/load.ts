/** People who buy: calls that come whenever they come, however long the answers take (an open loop, Poisson arrivals). */
import { type Connection, connect, defineContract, procedure, z } from "seedcore";
import { front } from "./contracts.ts";

const ITEMS = ["tea", "coffee", "cocoa", "sugar", "milk", "lemon"];

const HURRY = { deadlineMs: 2_000 };

/** The contract as a partner has it, who has not heard of the items. */
const partnersFront = defineContract("shop-front", {
  summary: "Where people buy.",
  state: "none",
  procedures: {
    buy: procedure({
      summary: "What a basket costs.",
      method: "POST",
      path: "/buy",
      input: z.object({}),
      output: z.object({ total: z.number() }),
      idempotent: true,
    }),
  },
});

export interface Load {
  /** Calls per second from now on. */
  setRate(perS: number): void;
  /** Which share of the calls orders nothing from now on: the shop refuses them. */
  setBroken(share: number): void;
  readonly figures: { calls: number; failed: number };
  /** Resolves when what is under way has ended. */
  stop(): Promise<void>;
}

export function startLoad(connection: Connection, perS: number, random: () => number = Math.random): Load {
  const shop = connection.client(front);
  const partner = connection.client(partnersFront);
  const figures = { calls: 0, failed: 0 };
  const underWay = new Set<Promise<void>>();
  let rate = perS;
  let broken = 0;
  let timer: NodeJS.Timeout;

  const buy = async () => {
    figures.calls++;
    const item = ITEMS[Math.floor(random() * ITEMS.length)] ?? "tea";
    const order = random() < broken ? partner.buy({}, HURRY) : shop.buy({ items: [item] }, HURRY);
    await order.catch(() => figures.failed++);
  };
  const next = () => {
    const waitMs = rate > 0 ? (-Math.log(1 - random()) * 1_000) / rate : 100;
    timer = setTimeout(() => {
      if (rate > 0) {
        const call: Promise<void> = buy().finally(() => underWay.delete(call));
        underWay.add(call);
      }
      next();
    }, waitMs);
  };
  next();
  return {
    figures,
    setRate: (to) => {
      rate = to;
    },
    setBroken: (share) => {
      broken = share;
    },
    async stop() {
      clearTimeout(timer);
      await Promise.all(underWay);
    },
  };
}

// `node examples/shop/load.ts [CALLS PER SECOND] [SECONDS]`
if (import.meta.main) {
  const [perS = "30", seconds = "60"] = process.argv.slice(2);
  await using connection = await connect();
  const load = startLoad(connection, Number(perS));
  await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1_000));
  await load.stop();
  process.stdout.write(`${load.figures.calls} calls, ${load.figures.failed} failed\n`);
}
