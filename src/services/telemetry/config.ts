import { z } from "zod";

/** Configuration of the telemetry service; the application fills it. */
export const TelemetryConfig = z.object({
  /** Version of SeedCore, as `status` shows it. */
  version: z.string().default("unknown"),
  /** When the organism was started, milliseconds since the epoch. */
  startedAtMs: z.number().optional(),
  /** What is watched from the first start on, until someone removes it. */
  watch: z.array(z.enum(["host", "services"])).default(["host", "services"]),
  /** Authorization headers by the name that sources give. */
  secrets: z.record(z.string(), z.string()).default({}),
});
export type TelemetryConfig = z.output<typeof TelemetryConfig> & { readonly startedAtMs: number };
