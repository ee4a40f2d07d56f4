/** Traffic as the agents tell it, and as the console adds it up. */

/** What an agent answers at `GET /traffic`, as far as the console reads it. */
export interface AgentTraffic {
  /** When it began to count. */
  readonly since?: string | number;
  readonly service?: string;
  /** The instance's own tag. */
  readonly tag?: string | null;
  /** Requests that came, by tag and by where the tag came from. */
  readonly requests: ReadonlyArray<{ readonly tag?: string | null; readonly source?: string; readonly count: number; readonly errors: number }>;
  /** Calls that it made, by whom it called, in which lane, and where that led. */
  readonly calls: ReadonlyArray<{
    readonly peer: string;
    readonly tag?: string | null;
    readonly route: string;
    readonly count: number;
    readonly errors: number;
  }>;
}

/** One of the answers at `GET /decisions`. */
export interface AgentDecision {
  readonly at: string | number;
  readonly peer: string;
  readonly tag?: string | null;
  readonly outcome: string;
  readonly instance?: string | null;
}

/** An instance that announces where its figures are. */
export interface TrafficSource {
  readonly service: string;
  /** The instance's tag, undefined for base. */
  readonly tag: string | undefined;
  /** `ip:port` of the instance, as registered. */
  readonly instance: string;
  /** `host:port` of its figures. */
  readonly admin: string;
}
