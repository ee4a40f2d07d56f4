import type { LaneRules, Problem } from '@lane/core/rules';
import type { LaneGroupsOptions } from '@lane/storage';
import type { AgentLog } from '../boot/log.js';

/** The lane groups in force, and what is wrong with the newest document where that was refused. */
export interface LaneGroupsState {
  readonly origin: 'store' | 'snapshot' | 'file' | null;
  readonly md5: string | null;
  readonly problems: readonly Problem[];
}

/** Puts lane groups in force as they come, and keeps what is to be told of them. */
export class LaneGroupsInForce {
  readonly #use: (rules: LaneRules | undefined) => void;
  #state: LaneGroupsState = { origin: null, md5: null, problems: [] };

  /** `use` puts rules in force: at once, for all requests from then on. */
  constructor(use: (rules: LaneRules | undefined) => void) {
    this.#use = use;
  }

  get state(): LaneGroupsState {
    return this.#state;
  }

  /** Watches those of a file (LANE_RULES=file:PATH). */
  watchFile(path: string, log: AgentLog): void {
    // Here and not at the top: it is not needed at start.
    const { watchLaneGroupsFile } = require('@lane/storage') as typeof import('@lane/storage');
    watchLaneGroupsFile(path, { log, ...this.intake });
  }

  /** For whoever watches them. */
  get intake(): Pick<LaneGroupsOptions, 'onRules' | 'onRefused'> {
    return {
      onRules: (rules, { origin, md5 = null }) => {
        this.#use(rules);
        this.#state = { origin: rules === undefined ? null : origin, md5, problems: [] };
      },
      onRefused: (problems) => (this.#state = { ...this.#state, problems }),
    };
  }
}
