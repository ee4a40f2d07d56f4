/** What an agent reports at its admin port (LANE_ADMIN_PORT), as JSON. The console, the gateway and `lane` read these shapes. */
import type { Tag } from '../names/tag.js';
import type { Doubt } from '../routing/instance-memory.js';
import type { Reason } from '../routing/lane-index.js';
import type { RegistryState } from '../routing/registry.js';
import type { SettledVerdict } from '../routing/verdict.js';
import type { TagSource } from '../rules/request-tag.js';

/** Metadata key under which an instance announces its admin port, as `host:port`. */
export const ADMIN_METADATA_KEY = 'lane.admin';

/**
 * How a call reached its destination:
 * - `lane`: an instance of its lane
 * - `base`: base, because it has no tag
 * - `fallback`: base, because its lane has no instance of the service
 * - `corrected`: the right instance, although the app had addressed another one
 * - `none`: nowhere, because nothing may serve it (ELANE_UNAVAILABLE)
 * - `outside`: a host that is not a known service
 */
export type TrafficRoute = (typeof TRAFFIC_ROUTES)[number];

/** All of them. */
export const TRAFFIC_ROUTES = ['lane', 'base', 'fallback', 'corrected', 'none', 'outside'] as const;

/** The verdict on a call in the words of metrics, decisions and spans. */
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
  // There is no usable instance, and the addressed one is base.
  none: 'base',
};

/** Requests with one tag from one source. */
export interface RequestFigures {
  /** null: base. {@link OTHER}: tags beyond the limit. */
  readonly tag: Tag | null;
  readonly source: TagSource;
  /** Requests that were answered or abandoned. */
  readonly count: number;
  /** Of those: answered with a 5xx, or not at all. A request that its client abandoned is not an error. */
  readonly errors: number;
}

/** Calls to one peer with one tag and route. */
export interface CallFigures {
  /** A service; or, outside known services, `(internal)` or `(external)` hosts. {@link OTHER}: peers beyond the limit. */
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
  /** How many took at most that long, cumulative, in the order of {@link DURATION_BOUNDS_SECONDS}; the rest took longer. */
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
  /** Requests and calls counted under {@link OTHER}. */
  readonly overflow: { readonly requests: number; readonly calls: number };
}

/** One of `GET /decisions?limit=N`, which answers with an array, the newest first. Under load it is a sample. */
export interface DecisionReport {
  /** ISO 8601. */
  readonly at: string;
  readonly peer: string;
  readonly tag: Tag | null;
  readonly outcome: TrafficRoute;
  /** Where it went, `ip:port`; null: nowhere. */
  readonly instance: string | null;
  /** The service that called. */
  readonly caller: string;
}

/** State of a drain: `withdrawing` from the registry, `settling` until peers have heard, `drained`, or at its `deadline` before that. */
export type DrainState = 'withdrawing' | 'settling' | 'drained' | 'deadline';

/** A line of `POST /drain?settleSeconds=N&deadlineSeconds=N`, which answers in lines of JSON; the last one is `drained` or `deadline`. */
export interface DrainReport {
  readonly state: DrainState;
  readonly elapsedSeconds: number;
  /** Deregistered instances. */
  readonly withdrawn: number;
  /** Whether the drain had already been requested: this reports the same one. */
  readonly isRepeated?: true;
  readonly inFlight: number;
  /** What went wrong, each in a sentence. */
  readonly problems: readonly string[];
}

/** An instance that an agent knows. */
export interface InstanceReport {
  /** `ip:port`. */
  readonly address: string;
  /** null: base. */
  readonly tag: Tag | null;
  /** Whether calls may go to it. */
  readonly usable: boolean;
  /** Who listed it last: the agent's own connection, the app's client, or a snapshot of an earlier run. */
  readonly source: 'registry' | 'sdk' | 'snapshot';
  /** Age of the list, or since when it lacks this instance. */
  readonly listedSecondsAgo: number;
  /** Why the registry would remove it; null: not in doubt. */
  readonly doubt: Doubt | null;
  /** How long it has been in doubt; null: not in doubt. */
  readonly doubtedSeconds: number | null;
  /** How much longer it gets no calls because it refused connections; null: it does get calls. */
  readonly leftAloneSeconds: number | null;
  /** How much longer it is ejected; null, or absent in agents before 0.2: not ejected. */
  readonly ejectedSeconds?: number | null;
  /** Whether it gets no calls because enough others of its lane are nearer; absent in agents before 0.2. */
  readonly passedOver?: boolean;
}

/** A service that an agent knows. */
export interface KnownServiceReport {
  readonly service: string;
  readonly group: string;
  /** The namespace of the app's own client, if it differs from that of calls by name; null: the one in `registry`. */
  readonly namespace: string | null;
  /** Ports of its name that belong to the service, besides the unwritten one. */
  readonly ports: readonly number[];
  readonly instances: readonly InstanceReport[];
  /** How many instances are omitted here. */
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
  /** false: draining. */
  readonly ready: boolean;
  /** null: no drain requested. */
  readonly drain: DrainReport | null;
  readonly uptimeSeconds: number;
  /** Values in force, by their names in the options file; without secrets. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly laneGroups: {
    /** null: none known. */
    readonly origin: 'store' | 'snapshot' | 'file' | null;
    readonly md5: string | null;
    readonly groups: number;
    /** Problems of the newest document, if it was refused; the last good one is in force. */
    readonly problems: ReadonlyArray<{ readonly path: string; readonly message: string }>;
  };
  /** Where services are learnt from; null: not used yet. */
  readonly registry: Omit<RegistryState, 'addresses'> | null;
  /** What the app has registered. */
  readonly registrations: ReadonlyArray<{ readonly service: string; readonly address: string; readonly withdrawn: boolean }>;
  /** `on`; `waiting`: its library has not been loaded; `disabled` by LANE_DISABLE; `failed`: it could not be installed, or disabled itself. */
  readonly instrumentations: ReadonlyArray<{
    readonly name: string;
    readonly state: 'on' | 'waiting' | 'disabled' | 'failed';
    readonly failures: number;
  }>;
  /** Services that this process has called or listed, with their instances in use; empty if the registry never forgets. */
  readonly services: readonly KnownServiceReport[];
  /** Where this process is, for LANE_NEAR; null: unknown. Absent in agents before 0.2. */
  readonly place?: { readonly zone: string | null; readonly region: string | null };
  readonly tags: {
    /** Values that are not tags, and were ignored. */
    readonly malformed: number;
    /** Requests in which two formats had different tags: the first counted. */
    readonly disagreeing: number;
  };
}
