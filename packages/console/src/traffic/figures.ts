/** Traffic as the pages get it, and the part of the instances' reports that it uses. */
import { DURATION_BOUNDS_SECONDS, OTHER, TRAFFIC_ROUTES, type DecisionReport, type TrafficReport, type TrafficRoute } from '@lane/core/agent';
import { isTag } from '@lane/core/model';

/** How many, and how many of them failed. */
export interface Counts {
  readonly count: number;
  readonly errors: number;
  /** Per second since the previous read; undefined at the first. */
  readonly perSecond?: number;
  /** The 95th percentile in milliseconds; undefined: nothing was counted. For calls, as the called instances measure it. */
  readonly p95Ms?: number;
}

/** The part of the last hour for which there are figures. */
export interface Recorded {
  readonly from: string;
  readonly to: string;
  readonly stepSeconds: number;
}

/** The instances of a service in a lane, or in base. */
export interface TrafficNode extends Counts {
  readonly service: string;
  readonly tag?: string;
  /** Instances that reported figures. */
  readonly instances: number;
}

/** Calls from one service to another with the same tag and route. */
export interface TrafficEdge extends Counts {
  readonly from: { readonly service: string; readonly tag?: string };
  /** The tag of the instances that served; undefined for base. */
  readonly to: { readonly service: string; readonly tag?: string };
  /** The tag of the requests. */
  readonly tag?: string;
  readonly route: TrafficRoute;
}

/** A decision of an instance. */
export interface TrafficDecision {
  readonly at: string;
  readonly service: string;
  readonly serviceTag?: string;
  readonly peer: string;
  readonly tag?: string;
  readonly outcome: TrafficRoute;
  readonly instance?: string;
}

/** All that the instances tell. */
export interface Traffic {
  readonly at: string;
  /** Undefined: nothing yet. */
  readonly recorded?: Recorded;
  readonly nodes: readonly TrafficNode[];
  readonly edges: readonly TrafficEdge[];
  /** The latest first. */
  readonly decisions: readonly TrafficDecision[];
  readonly sources: {
    readonly asked: number;
    readonly answered: number;
    /** Instances that announce no figures, because LANE_ADMIN_PORT is not set there. */
    readonly silent: number;
    /** Those of them that announce the address of another process. */
    readonly elsewhere: number;
    /** Asked but not read: the answer exceeds the limit for one instance, or for all together. */
    readonly tooLarge: number;
    /** Not asked, because there are too many, or the time was up. */
    readonly leftOut: number;
    /** Requests, calls and decisions that were read but are not shown, because they are malformed or too many. */
    readonly ignored: number;
    /** At most 100. */
    readonly problems: ReadonlyArray<{ readonly service: string; readonly instance: string; readonly problem: string }>;
  };
}

type RequestFigure = Pick<TrafficReport['requests'][number], 'tag' | 'source' | 'count' | 'errors'>;
type DurationFigure = Pick<TrafficReport['durations'][number], 'tag' | 'count' | 'buckets'>;
type CallFigure = Pick<TrafficReport['calls'][number], 'peer' | 'tag' | 'route' | 'count' | 'errors'>;

/** The part of a report that we use; agents of other versions may report more, or less. */
export interface Figures {
  readonly requests: readonly RequestFigure[];
  readonly calls: readonly CallFigure[];
  readonly durations: readonly DurationFigure[];
  /** Entries that were left out. */
  readonly ignored: number;
}

/** Longest name of a service or address. */
const MAX_NAME_LENGTH = 256;
/** Limit for one instance: an agent has 256 peers, with a few tags each. */
const MAX_ENTRIES = 4_000;
/** Clocks differ, but an entry from further in the future would stay the latest forever. */
const MAX_AHEAD_MS = 5 * 60_000;

/** Reads a report; undefined if it is none. We trust what an instance reports of itself if it is well-formed. */
export function figuresOf(text: string): Figures | undefined {
  const { requests, calls, durations } = (parsed(text) ?? {}) as Partial<Record<'requests' | 'calls' | 'durations', unknown>>;
  if (!Array.isArray(requests) || !Array.isArray(calls)) return undefined;
  const figures = {
    requests: requests.slice(0, MAX_ENTRIES).filter(isRequestFigure),
    calls: calls.slice(0, MAX_ENTRIES).filter(isCallFigure),
    // Agents of earlier versions report none.
    durations: Array.isArray(durations) ? durations.slice(0, MAX_ENTRIES).filter(isDurationFigure) : [],
  };
  return { ...figures, ignored: requests.length + calls.length - figures.requests.length - figures.calls.length };
}

/** Reads decisions, if there are any. */
export function decisionsOf(text: string, max: number): DecisionReport[] {
  const list = parsed(text);
  return Array.isArray(list) ? list.slice(0, max).filter(isDecision) : [];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRequestFigure(value: unknown): value is RequestFigure {
  const { tag, source } = (value ?? {}) as Partial<RequestFigure>;
  return isCounted(value) && isTagOrNone(tag) && (source === undefined || isName(source));
}

function isCallFigure(value: unknown): value is CallFigure {
  const { peer, tag, route } = (value ?? {}) as Partial<CallFigure>;
  // Skip routes that only a newer agent knows.
  return isCounted(value) && isName(peer) && isTagOrNone(tag) && isRoute(route);
}

/** Cumulative counts, one for each bound. */
function isDurationFigure(value: unknown): value is DurationFigure {
  const { tag, count, buckets } = (value ?? {}) as Partial<DurationFigure>;
  if (!isTagOrNone(tag) || !isCounted({ count, errors: 0 }) || !Array.isArray(buckets)) return false;
  if (buckets.length !== DURATION_BOUNDS_SECONDS.length) return false;
  const all: readonly unknown[] = [0, ...buckets, count];
  return all.every((one, i) => Number.isSafeInteger(one) && (i === 0 || (one as number) >= (all[i - 1] as number)));
}

function isDecision(value: unknown): value is DecisionReport {
  const { at, peer, tag, outcome, instance } = (value ?? {}) as Partial<DecisionReport>;
  const atMs = typeof at === 'string' && at.length <= 32 ? Date.parse(at) : Number.NaN;
  const isPlace = instance === undefined || instance === null || isName(instance);
  return atMs <= Date.now() + MAX_AHEAD_MS && isName(peer) && isTagOrNone(tag) && isRoute(outcome) && isPlace;
}

/** Safe integers only: other sums would not be valid JSON. */
function isCounted(value: unknown): boolean {
  const { count, errors } = (value ?? {}) as { count?: unknown; errors?: unknown };
  return Number.isSafeInteger(count) && Number.isSafeInteger(errors) && (count as number) >= 0 && (errors as number) >= 0;
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_NAME_LENGTH;
}

function isTagOrNone(value: unknown): boolean {
  return value === undefined || value === null || value === OTHER || (typeof value === 'string' && isTag(value));
}

function isRoute(value: unknown): value is TrafficRoute {
  return (TRAFFIC_ROUTES as readonly unknown[]).includes(value);
}
