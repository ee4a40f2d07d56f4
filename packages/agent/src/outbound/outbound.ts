import { LaneUnavailableError, UNKNOWN, type Router, type SettledVerdict, type TagCodec, type Unavailable, type Verdict } from '@lane/core/model';
import type { AgentLog } from '../boot/log.js';
import type { Observers } from '../observe/observers.js';
import type { Connecting } from './connecting/connecting.js';
import type { Propagation } from './propagation.js';
import type { UnresolvedNames } from './unresolved-names.js';

/** What client hooks use. */
export interface Outbound {
  readonly router: Router;
  readonly connecting: Connecting;
  readonly unresolved: UnresolvedNames;
  readonly propagation: Propagation;
  readonly codec: TagCodec;
  readonly observers: Observers;
  readonly log: AgentLog;
}

/** The error that a caller gets instead of its client's. */
export function unavailableError({ service, tag }: Unavailable): LaneUnavailableError {
  return new LaneUnavailableError(service, tag);
}

/** The final verdict, after waiting: an unknown destination goes as the app sends it. */
export function settled(verdict: Verdict | undefined): SettledVerdict {
  return verdict === undefined || verdict.kind === 'wait' ? UNKNOWN : verdict;
}
