/** What an agent tells at its admin port (LANE_ADMIN_PORT), as JSON. The console, the gateway and `lane` read these shapes. */
import type { Tag } from '../names/tag.js';
import type { Doubt } from '../routing/instance-memory.js';
import type { Reason } from '../routing/lane-index.js';
import type { RegistryState } from '../routing/registry.js';
import type { SettledVerdict } from '../routing/verdict.js';
import type { TagSource } from '../rules/request-tag.js';

/** Key in an instance's metadata under which its admin port is announced, as `host:port`. */
export const ADMIN_METADATA_KEY = 'lane.admin';

/**
 * How a call came to its destination:
 * - `lane`: an instance of its lane
 * - `base`: base, having no tag
 * - `fallback`: base, since its lane has no instance of the service
 * - `corrected`: the right instance, though the app had addressed one of another lane
 * - `none`: nowhere, since nothing may serve it (ELANE_UNAVAILABLE)
 * - `outside`: to a host that is no known service
 */
export type TrafficRoute = (typeof TRAFFIC_ROUTES)[number];

/** All of them. */
export const TRAFFIC_ROUTES = ['lane', 'base', 'fallback', 'corrected', 'none', 'outside'] as const;

/** The verdict on a call in the words of figures, decisions and spans. */
export function trafficRouteOf(verdict: SettledVerdict): TrafficRoute {
  switch (verdict.kind) {
    case 'unknown':
      return 'outside';
    case 'unavailable':
      return 'none';
    case 'redirect':
      return verdict.byName ? ROUTES[verdict.reason] : 'corrected';
    case 'as-is':
      return ROUTES[verdict.reason];
  }
}

const ROUTES: Readonly<Record<Reason, TrafficRoute>> = {
  base: 'base',
  'in-lane': 'lane',
  'fell-back-to-base': 'fallback',
  'lane-not-here': 'fallback',
  // Nothing usable is there, and the instance that was addressed is base.
  none: 'base',
};

/** Requests of one tag that got it from the same source. */
export interface RequestFigures {
  /** null: base. {@link OTHER}: tags that came when there were too many. */
  readonly tag: Tag | null;
  readonly source: TagSource;
  /** Requests that have been answered, or given up. */
  readonly count: number;
  /** Of those: answered with a 5xx, or not at all. One that its client gave up is no error of ours. */
  readonly errors: number;
}

/** Calls to one peer, of one tag, that went the same way. */
export interface CallFigures {
  /** A service; or, outside known services, `(internal)` or `(external)` hosts. {@link OTHER}: peers that came when there were too many. */
  readonly peer: string;
  readonly tag: Tag | null;
  readonly route: TrafficRoute;
  readonly count: number;
  /** Calls that got no answer, or a 5xx. */
  readonly errors: number;
}

/** How long requests of one tag took. */
export interface DurationFigures {
  readonly tag: Tag | null;
  readonly count: number;
  readonly sumSeconds: number;
  /** How many took so long at most, cumulative, in the order of {@link DURATION_BOUNDS_SECONDS}; the rest took longer. */
  readonly buckets: readonly number[];
}

/** `GET /traffic`. Counts only grow, from `since` on. */
export interface TrafficReport {
  /** ISO 8601. */
  readonly since: string;
  readonly service: string;
  /** The instance's own tag; null: base. */
  readonly tag: Tag | null;
  readonly inFlight: number;
  readonly requests: readonly RequestFigures[];
  readonly durations: readonly DurationFigures[];
  readonly calls: readonly CallFigures[];
  /** Requests and calls that are counted under {@link OTHER}. */
  readonly overflow: { readonly requests: number; readonly calls: number };
}

/** One of `GET /decisions?limit=N`, which answers with an array, the newest first. Under load it is a sample. */
export interface DecisionReport {
  /** ISO 8601. */
  readonly at: string;
  readonly peer: string;
  readonly tag: Tag | null;
  readonly outcome: TrafficRoute;
  /** Where it went, `ip:port`; null where it went nowhere. */
  readonly instance: string | null;
  /** The service that called. */
  readonly caller: string;
}

/** How far a drain is: `withdrawing` from the registry, `settling` until peers have heard, `drained`, or at its `deadline` before that. */
export type DrainState = 'withdrawing' | 'settling' | 'drained' | 'deadline';

/** A line of `POST /drain?settleSeconds=N&deadlineSeconds=N`, which answers in lines of JSON; the last one is `drained` or `deadline`. */
export interface DrainReport {
  readonly state: DrainState;
  readonly elapsedSeconds: number;
  /** Instances taken out of the registry. */
  readonly withdrawn: number;
  /** Where it was asked for again: the same drain is told of. */
  readonly isRepeated?: true;
  readonly inFlight: number;
  /** What went wrong on the way, each in a sentence. */
  readonly problems: readonly string[];
}

/** An instance as an agent has it in use. */
export interface InstanceReport {
  /** `ip:port`. */
  readonly address: string;
  /** null: base. */
  readonly tag: Tag | null;
  /** Whether calls may go to it. */
  readonly usable: boolean;
  /** Who listed it last: the registry asked by the agent, the app's own client of it, or a snapshot of an earlier run. */
  readonly source: 'registry' | 'sdk' | 'snapshot';
  /** Since when the list is as it is, or since when it lacks this instance. */
  readonly listedSecondsAgo: number;
  /** Why it would be taken away, if the registry were believed; null: nothing is in doubt. */
  readonly doubt: Doubt | null;
  /** For how long it has been; null: it isn't. */
  readonly doubtedSeconds: number | null;
  /** So long it is left alone still, as it refused connections; null: it is not. */
  readonly leftAloneSeconds: number | null;
  /** So long it gets no calls still, as it answered server errors; null, or absent of agents before 0.2: it is not ejected. */
  readonly ejectedSeconds?: number | null;
  /** Whether it gets no calls as enough others of its lane are nearer to the agent; absent of agents before 0.2. */
  readonly passedOver?: boolean;
}

/** A service as an agent knows it. */
export interface KnownServiceReport {
  readonly service: string;
  readonly group: string;
  /** Where the app's own client discovers in another namespace than calls by name do, that; null: the registry's, as `registry` tells it. */
  readonly namespace: string | null;
  /** Those of its name that are the service's, besides the one that is not written. */
  readonly ports: readonly number[];
  readonly instances: readonly InstanceReport[];
  /** Instances that are left out here, there being so many. */
  readonly omitted: number;
}

/** `GET /status`. */
export interface StatusReport {
  readonly version: string;
  readonly pid: number;
  /** Such as `v24.1.0`. */
  readonly node: string;
  readonly service: string;
  readonly tag: Tag | null;
  /** false: being drained. */
  readonly ready: boolean;
  /** null: not asked to. */
  readonly drain: DrainReport | null;
  readonly uptimeSeconds: number;
  /** As in force, by the names of the option file; secrets are left out. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly laneGroups: {
    /** null: none are known. */
    readonly origin: 'store' | 'snapshot' | 'file' | null;
    readonly md5: string | null;
    readonly groups: number;
    /** Of the newest document, where it was refused; the last good one is in force. */
    readonly problems: ReadonlyArray<{ readonly path: string; readonly message: string }>;
  };
  /** Where services are learnt from; null: nothing has been asked of it yet. */
  readonly registry: Omit<RegistryState, 'addresses'> | null;
  /** What the app has registered. */
  readonly registrations: ReadonlyArray<{ readonly service: string; readonly address: string; readonly withdrawn: boolean }>;
  /** `on`; `waiting`: its library has not been loaded; `disabled` by LANE_DISABLE; `failed`: it could not be installed, or took itself out. */
  readonly instrumentations: ReadonlyArray<{
    readonly name: string;
    readonly state: 'on' | 'waiting' | 'disabled' | 'failed';
    readonly failures: number;
  }>;
  /** Services that this process has called or listed, as it has them in use; none are told where the registry never forgets. */
  readonly services: readonly KnownServiceReport[];
  /** Where this process is, for LANE_NEAR; null: it isn't known. Absent of agents before 0.2. */
  readonly place?: { readonly zone: string | null; readonly region: string | null };
  readonly tags: {
    /** Values that are no tags: ignored. */
    readonly malformed: number;
    /** Requests in which two formats told different tags: the first counted. */
    readonly disagreeing: number;
  };
}
