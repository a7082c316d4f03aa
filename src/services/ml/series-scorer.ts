/** Everything one series needs between its points and its incidents: detector and alarm, saved and restored as one. */
import {
  ALARM_VERSION,
  type Alarm,
  type AlarmOptions,
  type AlarmUpdate,
  createAlarm,
  restoreAlarm,
} from "./detector/alarm.ts";
import { createDetector, DETECTOR_VERSION, type Detector, restoreDetector } from "./detector/detector.ts";
import { StateReader } from "./detector/state-bytes.ts";

export type SeriesScorerOptions = AlarmOptions;

export interface SeriesUpdate extends AlarmUpdate {
  /** Anomaly score in [0, 1], a multiple of 1/1000. */
  readonly score: number;
}

export interface SeriesScorer {
  /** Takes the next point: finite, later than the one before. */
  update(value: number, timestampMs: number): SeriesUpdate;
  /** The crossing that is not over, if any. */
  current(): ReturnType<Alarm["current"]>;
  /** Robust level and spread of the series before its newest point. */
  expected(): number;
  spread(): number;
  /** State as bytes, about 4 KB; restoreSeriesScorer(save(), options) continues bit-identically. The first is its format. */
  save(): Uint8Array;
}

/** Format in which it saves: higher whenever that of one of its parts is. All up to it are read. */
export const SCORER_FORMAT = DETECTOR_VERSION + ALARM_VERSION - 6;

export function createSeriesScorer(options: SeriesScorerOptions = {}, format = SCORER_FORMAT): SeriesScorer {
  return compose(createDetector(), createAlarm(options), format);
}

/** @throws Error that names what is wrong when the bytes are not those of a series scorer of this format or an older one. */
export function restoreSeriesScorer(
  state: Uint8Array,
  options: SeriesScorerOptions = {},
  format = SCORER_FORMAT,
): SeriesScorer {
  const from = new StateReader("series scorer", state, Math.max(1, Math.min(format, formatOf(state))));
  const detectorLength = from.byte() + 256 * from.byte();
  const detector = restoreDetector(from.rest(detectorLength));
  return compose(detector, restoreAlarm(from.rest(state.length - HEADER - detectorLength), options), format);
}

/** Format of a saved state, of whatever program. */
export function formatOf(state: Uint8Array): number {
  return state[0] ?? 0;
}

/** Format, and the length of the detector's part. */
const HEADER = 3;

function compose(detector: Detector, alarm: Alarm, format: number): SeriesScorer {
  return {
    update(value, timestampMs) {
      const score = detector.update(value, timestampMs);
      return { score, ...alarm.update(score, value, timestampMs) };
    },
    current: () => alarm.current(),
    expected: () => detector.expected(),
    spread: () => detector.spread(),
    save() {
      const first = detector.save();
      const second = alarm.save();
      const state = new Uint8Array(HEADER + first.length + second.length);
      state.set([format, first.length % 256, Math.floor(first.length / 256)]);
      state.set(first, HEADER);
      state.set(second, HEADER + first.length);
      return state;
    },
  };
}
