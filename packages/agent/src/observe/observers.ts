import type { CallVerdicts } from './call-verdicts.js';
import type { TrafficRecorder } from './traffic/recorder.js';

/** Observers of requests and calls; none unless metrics or spans are on. */
export interface Observers {
  /** Counts requests and calls (LANE_ADMIN_PORT, a meter provider). */
  traffic: TrafficRecorder | undefined;
  /** Keeps verdicts for spans (LANE_TRACES). */
  verdicts: CallVerdicts | undefined;
}
