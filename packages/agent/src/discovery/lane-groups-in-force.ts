import { AwakeTimer } from '@lane/core/model';
import type { LaneRules, Problem } from '@lane/core/rules';
import type { LaneGroupsOptions } from '@lane/storage';
import type { AgentLog } from '../boot/log.js';
import { LEARN_TIMEOUT_MS } from './learner.js';

/** The lane groups in force, and what is wrong with the newest document if it was refused. */
export interface LaneGroupsState {
  readonly origin: 'store' | 'snapshot' | 'file' | null;
  readonly md5: string | null;
  readonly problems: readonly Problem[];
}

/** Applies lane groups as they arrive, and keeps what to report about them. */
export class LaneGroupsInForce {
  readonly #use: (rules: LaneRules | undefined) => void;
  #state: LaneGroupsState = { origin: null, md5: null, problems: [] };
  /** Since they have been requested, until they arrive or the longest wait is over. */
  #expected: AwakeTimer | undefined;
  #hasCome = false;
  #coming: { readonly until: Promise<void>; readonly settle: () => void } | undefined;

  /** `use` applies rules at once, to all further requests. */
  constructor(use: (rules: LaneRules | undefined) => void) {
    this.#use = use;
  }

  get state(): LaneGroupsState {
    return this.#state;
  }

  /** Notes that they have been requested. */
  expect(): void {
    if (!this.#hasCome) this.#expected ??= new AwakeTimer(LEARN_TIMEOUT_MS, () => this.#come()).unref();
  }

  /** Whether they have been requested and have not arrived. */
  get isExpected(): boolean {
    return this.#expected !== undefined;
  }

  /** Settles when they arrive, or after the longest wait; never rejects. undefined: there is nothing to wait for. */
  coming(): Promise<void> | undefined {
    if (this.#expected === undefined) return undefined;
    if (this.#coming === undefined) {
      let settle!: () => void;
      const until = new Promise<void>((resolve) => (settle = resolve));
      this.#coming = { until, settle };
      // Holds the process: a call of the app's waits that has no socket yet.
      this.#expected.ref();
    }
    return this.#coming.until;
  }

  #come(): void {
    this.#hasCome = true;
    this.#expected?.clear();
    this.#expected = undefined;
    this.#coming?.settle();
    this.#coming = undefined;
  }

  /** Watches a file of them (LANE_RULES=file:PATH). */
  watchFile(path: string, log: AgentLog): void {
    // Not at the top: it is not needed at start.
    const { watchLaneGroupsFile } = require('@lane/storage') as typeof import('@lane/storage');
    watchLaneGroupsFile(path, { log, ...this.intake });
  }

  /** For whoever watches them. */
  get intake(): Pick<LaneGroupsOptions, 'onRules' | 'onRefused'> {
    return {
      onRules: (rules, { origin, md5 = null }) => {
        this.#use(rules);
        this.#state = { origin: rules === undefined ? null : origin, md5, problems: [] };
        this.#come();
      },
      onRefused: (problems) => {
        this.#state = { ...this.#state, problems };
        this.#come();
      },
    };
  }
}
