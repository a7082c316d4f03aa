/** Somebody else's thermometer, whose series the organism watches too: a program that sends a point a second. */
import type { Connection } from "seedcore";

export interface Exporter {
  /** Its clock goes wrong by so much. */
  setClock(offByMs: number): void;
  /** It sends, or is dead. */
  setAlive(alive: boolean): void;
  stop(): void;
}

export function startExporter(connection: Connection): Exporter {
  const ml = connection.getServiceClient("ml");
  let offByMs = 0;
  let isAlive = true;
  const timer = setInterval(() => {
    if (!isAlive) return;
    const nowMs = Math.floor(Date.now() / 1_000) * 1_000 + offByMs;
    const value = 20 + Math.sin(nowMs / 60_000) + 0.2 * (Math.random() - 0.5);
    const series = [{ name: "temperature", points: [[nowMs, value] as [number, number]] }];
    // What cannot be sent is lost, as with most thermometers.
    ml.ingest({ source: "warehouse", series }).catch(() => {});
  }, 1_000);
  return {
    setClock: (ms) => {
      offByMs = ms;
    },
    setAlive: (alive) => {
      isAlive = alive;
    },
    stop: () => clearInterval(timer),
  };
}
