import type { AgentOptions } from '@lane/core/agent';
import type { ServiceTables, TagCodec } from '@lane/core/model';
import type { AgentLog } from '../boot/log.js';
import type { Learner } from '../discovery/learner.js';
import type { OwnService } from '../discovery/own-service.js';

/** What the hooks of broker clients use. */
export interface Messaging {
  readonly codec: TagCodec;
  readonly tables: ServiceTables;
  readonly options: Pick<AgentOptions, 'tag'>;
  readonly own: OwnService;
  readonly learner: Learner;
  readonly log: AgentLog;
  /** LANE_MESSAGES=isolate. */
  readonly isolates: boolean;
}
