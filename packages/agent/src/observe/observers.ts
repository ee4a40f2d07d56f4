import type { CallVerdicts } from './call-verdicts.js';
import type { TrafficRecorder } from './traffic/recorder.js';

/** Whoever is told of requests and calls; nobody, unless somebody asks for figures or spans. */
export interface Observers {
  /** Counts requests and calls (LANE_ADMIN_PORT, a meter provider). */
  traffic: TrafficRecorder | undefined;
  /** Keeps verdicts for spans (LANE_TRACES). */
  verdicts: CallVerdicts | undefined;
}
