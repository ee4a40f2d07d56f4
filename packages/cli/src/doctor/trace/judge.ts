/** Judges the records of an app. Pure; calls right only what it has seen. */
import type { TraceCall, TraceFrame, TraceHandOver, TraceRecord, TraceRequestId } from '@lane/core/agent';

/** What happened to the lane of a call. */
export type Verdict = 'right' | 'lost' | 'mixed' | 'leaked' | 'unknown' | 'background';

/** How we know for which request a call was made. */
export type Evidence = 'id' | 'hand-over' | 'context' | 'alone';

/** Calls of one kind to one place that went wrong in the same way. */
export interface TraceProblem {
  readonly verdict: 'lost' | 'mixed' | 'leaked';
  /** Such as `GET stock:8080/items/{n}`. */
  readonly call: string;
  readonly client: TraceCall['client'];
  /** Number of calls, and of all calls to that place. */
  readonly count: number;
  readonly of: number;
  /** What happened, in words. */
  readonly message: string;
  /** The evidence; undefined: only the number of calls. */
  readonly evidence: Evidence | undefined;
  readonly library: string | undefined;
  readonly version: string | undefined;
  /** The place: `what` comes before `at`. */
  readonly where: ReadonlyArray<{ readonly what: string; readonly at: string }>;
  readonly remedy: string;
}

/** Calls to one place. */
export interface TracePlace {
  readonly call: string;
  readonly client: TraceCall['client'];
  readonly counts: Readonly<Record<Verdict, number>>;
  readonly evidence: Readonly<Record<Evidence, number>>;
}

/** The verdict on an app. */
export interface TraceJudgement {
  /** Calls for the app's requests were seen, and all were right. */
  readonly ok: boolean;
  /** Requests of the command that were seen in the app. */
  readonly requests: number;
  readonly places: readonly TracePlace[];
  readonly problems: readonly TraceProblem[];
  /** What was not seen, or is uncertain. */
  readonly notes: readonly string[];
}

interface Judged {
  readonly call: TraceCall;
  readonly place: string;
  readonly verdict: Verdict;
  readonly evidence: Evidence | undefined;
  /** The request it was for; undefined: not known. */
  readonly request: TraceRequestId | undefined;
  /** Requests of other lanes that it was also for. */
  readonly others: readonly TraceRequestId[];
  readonly handOver: TraceHandOver | undefined;
}

const isSolo = (id: TraceRequestId): boolean => /-s\d+$/.test(id);

/** Judges. */
export function judge(records: readonly TraceRecord[]): TraceJudgement {
  const tagOf = new Map(records.flatMap((record) => (record.kind === 'request' ? [[record.id, record.tag] as const] : [])));
  const calls = records.filter((record) => record.kind === 'call');
  const perRequest = requestsBySite(calls);
  const isBackground = backgroundPlaces(records);
  const isMadeAlone = placesMadeAlone(calls, tagOf);
  const judged = calls.map((call) => judgeCall(call, { tagOf, perRequest, isBackground, isMadeAlone }));
  const problems = [...problemsOf(judged, tagOf), ...sharedCalls(judged, tagOf)];
  const places = placesOf(judged);
  const seen = judged.filter(({ verdict }) => verdict !== 'unknown' && verdict !== 'background').length;
  return { ok: problems.length === 0 && seen > 0, requests: tagOf.size, places, problems, notes: notesOf(judged, places, tagOf, seen, problems) };
}

/** The requests that handed something to each method: if only one did, such as a handler created at first use, it is not a request's callback. */
function requestsBySite(calls: readonly TraceCall[]): Map<string, Set<TraceRequestId>> {
  const sites = new Map<string, Set<TraceRequestId>>();
  for (const { handOver } of calls) {
    if (handOver !== null) sites.set(handOver.binding, (sites.get(handOver.binding) ?? new Set()).add(handOver.request));
  }
  return sites;
}

/** Places that a process calls before its first request: those calls are not for requests. */
function backgroundPlaces(records: readonly TraceRecord[]): Set<string> {
  const places = new Set<string>();
  let hasRequests = false;
  for (const record of records) {
    // Each file starts with this.
    if (record.kind === 'agent') hasRequests = false;
    else if (record.kind === 'request') hasRequests = true;
    else if (record.kind === 'call' && !hasRequests) places.add(placeOf(record));
  }
  return places;
}

/** Places that most requests, while alone, call outside of their context. Most, because a timer may fire at any time. */
function placesMadeAlone(calls: readonly TraceCall[], tagOf: ReadonlyMap<TraceRequestId, string | null>): Set<string> {
  const solo = [...tagOf.keys()].filter(isSolo).length;
  const outside = calls.filter(({ alone, context }) => alone !== null && alone !== context);
  const groups = groupBy(outside, placeOf).filter((group) => new Set(group.map(({ alone }) => alone)).size * 2 > solo);
  return new Set(groups.map(([first]) => placeOf(first as TraceCall)));
}

/** The basis for judging calls. */
interface Known {
  readonly tagOf: ReadonlyMap<TraceRequestId, string | null>;
  readonly perRequest: ReadonlyMap<string, ReadonlySet<TraceRequestId>>;
  readonly isBackground: ReadonlySet<string>;
  readonly isMadeAlone: ReadonlySet<string>;
}

function judgeCall(call: TraceCall, { tagOf, perRequest, isBackground, isMadeAlone }: Known): Judged {
  const place = placeOf(call);
  const ids = call.ids.filter((id) => tagOf.has(id));
  const handOver = call.handOver !== null && (perRequest.get(call.handOver.binding)?.size ?? 0) > 1 ? call.handOver : undefined;
  const [request, evidence] = whose(call, ids, handOver, isMadeAlone.has(place) && !isBackground.has(place));
  const base = { call, place, handOver, request, evidence, others: [] as TraceRequestId[] };
  if (!call.isInside)
    return { ...base, verdict: call.tag !== null || call.copiedIn.length > 0 ? 'leaked' : request === undefined ? 'unknown' : 'right' };
  if (request === undefined) return { ...base, verdict: isBackground.has(place) ? 'background' : 'unknown' };
  const others = ids.filter((id) => tagOf.get(id) !== tagOf.get(request));
  const expected = tagOf.get(request) ?? null;
  const verdict = others.length > 0 ? 'mixed' : call.tag === expected ? 'right' : call.tag === null ? 'lost' : 'mixed';
  return { ...base, others, verdict };
}

/** Tries evidence by weight. A call with several ids is for all of them: prefer the request in whose context it was made. */
function whose(
  call: TraceCall,
  ids: readonly TraceRequestId[],
  handOver: TraceHandOver | undefined,
  isMadeAlone: boolean,
): [TraceRequestId | undefined, Evidence | undefined] {
  if (ids.length > 0) return [ids.find((id) => id === call.context) ?? ids[0], 'id'];
  if (handOver !== undefined) return [handOver.request, 'hand-over'];
  if (call.alone !== null && call.context !== call.alone && isMadeAlone) return [call.alone, 'alone'];
  if (call.context !== null) return [call.context, 'context'];
  return [undefined, undefined];
}

/** The destination of a call, without the parts that differ between requests. */
function placeOf({ method, host, path }: TraceCall): string {
  const [plain = ''] = path.split('?');
  const short = plain
    .replace(/lane-[0-9a-f]{8}-[sm]\d+/g, '{id}')
    .replace(/\/\d+(?=\/|$)/g, '/{n}')
    .replace(/\/[0-9a-f]{8}-[0-9a-f-]{27}(?=\/|$)/gi, '/{uuid}');
  return `${method} ${host}${short}`;
}

function placesOf(judged: readonly Judged[]): TracePlace[] {
  const places = new Map<
    string,
    { call: string; client: TraceCall['client']; counts: Record<Verdict, number>; evidence: Record<Evidence, number> }
  >();
  for (const { call, place, verdict, evidence } of judged) {
    let found = places.get(place);
    if (found === undefined) {
      found = {
        call: place,
        client: call.client,
        counts: { right: 0, lost: 0, mixed: 0, leaked: 0, unknown: 0, background: 0 },
        evidence: { id: 0, 'hand-over': 0, context: 0, alone: 0 },
      };
      places.set(place, found);
    }
    found.counts[verdict]++;
    if (evidence !== undefined) found.evidence[evidence]++;
  }
  return [...places.values()].sort((a, b) => (a.call < b.call ? -1 : 1));
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return [...groups.values()];
}

function problemsOf(judged: readonly Judged[], tagOf: ReadonlyMap<TraceRequestId, string | null>): TraceProblem[] {
  const wrong = judged.filter(({ verdict }) => verdict === 'lost' || verdict === 'mixed' || verdict === 'leaked');
  const keyOf = (one: Judged): string => {
    // A queue that loses some lanes and mixes others is one fault.
    const kind = one.verdict === 'leaked' ? `leaked ${one.call.tag !== null} ${one.call.copiedIn.join()}` : one.others.length > 0 ? 'several' : 'one';
    return [one.place, kind, one.verdict === 'leaked' ? '' : (one.handOver?.binding ?? nearest(one.call)?.library ?? '')].join('\n');
  };
  return groupBy(wrong, keyOf).map((group) => {
    const [first] = group as [Judged, ...Judged[]];
    const of = judged.filter(({ place }) => place === first.place).length;
    const counts = { call: first.place, client: first.call.client, count: group.length, of, evidence: first.evidence };
    if (first.verdict === 'leaked') return { ...counts, ...leak(first) };
    if (first.others.length > 0) return { ...counts, ...severalRequests(group) };
    return { ...counts, ...lostOrMixed(group, tagOf) };
  });
}

type Told = Pick<TraceProblem, 'verdict' | 'message' | 'library' | 'version' | 'where' | 'remedy'>;

function leak({ call }: Judged): Told {
  const frame = call.nearest;
  const host = call.host.replace(/:\d+$/, '');
  const where = callFrames(call);
  const about = { verdict: 'leaked', library: frame?.library, version: frame?.version, where } as const;
  if (call.tag !== null) {
    return {
      ...about,
      message: `the tag is sent to ${host}, which does not look internal`,
      remedy: 'remove LANE_PROPAGATE_TO=all, or list your own hosts: LANE_PROPAGATE_TO=*.corp.example',
    };
  }
  return {
    ...about,
    message: `the app copies the tag into ${call.copiedIn.join(', ')} of calls to ${host}, which does not look internal`,
    remedy: `don't copy it there; if the host is yours, set LANE_PROPAGATE_TO=${host}`,
  };
}

function severalRequests(group: readonly Judged[]): Told {
  const { call } = group[0] as Judged;
  const frame = nearest(call);
  return {
    verdict: 'mixed',
    message: 'one call is made for requests of several lanes, and carries the tag of one of them',
    library: frame?.library,
    version: frame?.version,
    where: callFrames(call),
    remedy: SHARED_REMEDY,
  };
}

const SHARED_REMEDY = "keep one batch or cache per lane: create a loader per request, or add the lane to its key (currentLane() of '@lane/core')";

function lostOrMixed(group: readonly Judged[], tagOf: ReadonlyMap<TraceRequestId, string | null>): Told {
  const { call, handOver } = group[0] as Judged;
  const isMixed = group.some(({ verdict }) => verdict === 'mixed');
  const verdict = isMixed ? 'mixed' : 'lost';
  const contexts = group.some(({ call: { context } }) => context !== null) ? 'of another request' : 'of no request';
  if (handOver !== undefined) {
    const { library, version, binding, isOwn } = handOver;
    const file = binding.slice(0, binding.indexOf(':'));
    const method = binding.slice(file.length + 1);
    return {
      verdict,
      message: `${isOwn ? file.slice(library.length + 1) : library} runs what is handed to ${method.replace(/\[\d+\]$/, '')} in the context ${contexts}`,
      library,
      version,
      where: [
        ...(handOver.handedAt === undefined ? [] : [{ what: 'handed over at', at: handOver.handedAt }]),
        ...(handOver.runAt === undefined ? [] : [{ what: 'run at', at: handOver.runAt }]),
        ...(call.calledAt === null ? [] : [{ what: 'call made at', at: call.calledAt }]),
      ],
      remedy: isOwn
        ? `wrap what is handed over in AsyncResource.bind(...) of node:async_hooks, or set LANE_BIND='${binding}'`
        : `set LANE_BIND='${binding}'`,
    };
  }
  const frame = nearest(call);
  const lanes = [...new Set(group.map(({ request }) => (request === undefined ? undefined : tagOf.get(request)) ?? 'base'))].sort().join(', ');
  return {
    verdict,
    message: `calls for requests of ${lanes} are made in the context ${contexts}`,
    library: frame?.library,
    version: frame?.version,
    where: callFrames(call),
    remedy:
      frame === null
        ? 'bind the function that makes the call to its request: AsyncResource.bind(...) of node:async_hooks'
        : `set LANE_BIND='${frame.library}:METHOD', where METHOD hands the work to ${frame.library}, or wrap the work in AsyncResource.bind(...) of node:async_hooks`,
  };
}

/** The library closest to the call: in its stack, or else the creator of the async resource that it runs in. */
function nearest(call: TraceCall): TraceFrame | null {
  return call.nearest ?? call.resource?.frame ?? null;
}

function callFrames({ nearest: frame, resource, calledAt }: TraceCall): Array<{ what: string; at: string }> {
  return [
    ...(frame === null ? [] : [{ what: 'run at', at: frame.at }]),
    ...(frame !== null || resource === null ? [] : [{ what: `run by the ${resource.type} created at`, at: resource.frame.at }]),
    ...(calledAt === null ? [] : [{ what: 'call made at', at: calledAt }]),
  ];
}

/** Calls to a place per request while it is alone; undefined: the number varies. */
function perRequestAlone(judged: readonly Judged[], place: string, tagOf: ReadonlyMap<TraceRequestId, string | null>): number | undefined {
  const solo = [...tagOf.keys()].filter(isSolo);
  const counts = new Set(solo.map((id) => judged.filter((one) => one.place === place && one.request === id).length));
  return counts.size === 1 ? [...counts][0] : undefined;
}

/**
 * If concurrent requests make fewer calls than they do alone, some share another's result. If they make as many, but some requests too many and
 * others none, calls are made in the context of another request, even without other evidence.
 */
function sharedCalls(judged: readonly Judged[], tagOf: ReadonlyMap<TraceRequestId, string | null>): TraceProblem[] {
  const many = [...tagOf.keys()].filter((id) => !isSolo(id));
  return groupBy(judged, ({ place }) => place).flatMap((group) => {
    const [first] = group as [Judged, ...Judged[]];
    const alone = perRequestAlone(judged, first.place, tagOf);
    // Already proved by ids, or another fault.
    if (alone === undefined || alone === 0 || many.length === 0 || group.some(({ verdict }) => verdict === 'mixed' || verdict === 'lost')) return [];
    const made = group.filter(({ request }) => request !== undefined && !isSolo(request));
    const without = many.filter((id) => !made.some(({ request }) => request === id));
    if (without.length === 0) return [];
    const callsOf = (id: TraceRequestId): Judged[] => made.filter(({ request }) => request === id);
    const busy = many.map(callsOf).find((calls) => calls.length > alone && calls.some(({ evidence }) => evidence === 'context'));
    if (made.length >= many.length * alone)
      return busy === undefined ? [] : [strangersCalls(group, busy, { many: many.length, alone, without: without.length })];
    const frame = nearest((made[0] ?? first).call);
    return [
      {
        verdict: 'mixed' as const,
        call: first.place,
        client: first.call.client,
        count: made.length,
        of: group.length,
        message: `${many.length} concurrent requests made ${made.length} calls, but each makes ${alone} when it is alone: some got what another had asked for, maybe in another lane`,
        evidence: undefined,
        library: frame?.library,
        version: frame?.version,
        where: callFrames((made[0] ?? first).call),
        remedy: SHARED_REMEDY,
      },
    ];
  });
}

function strangersCalls(
  group: readonly Judged[],
  busy: readonly Judged[],
  { many, alone, without }: { readonly many: number; readonly alone: number; readonly without: number },
): TraceProblem {
  const { call, place } = busy.at(-1) as Judged;
  const frame = nearest(call);
  const bind = 'wrap what a request hands over in AsyncResource.bind(...) of node:async_hooks';
  return {
    verdict: 'mixed',
    call: place,
    client: call.client,
    count: without * alone,
    of: group.length,
    message: `each request makes ${alone} of these calls when it is alone; of ${many} concurrent ones, ${without} made none and others too many: work of one request runs in the context of another`,
    evidence: undefined,
    library: frame?.library,
    version: frame?.version,
    where: callFrames(call),
    remedy: frame === null ? bind : `set LANE_BIND='${frame.library}:METHOD', where METHOD hands the work to ${frame.library}, or ${bind}`,
  };
}

function notesOf(
  judged: readonly Judged[],
  places: readonly TracePlace[],
  tagOf: ReadonlyMap<TraceRequestId, string | null>,
  seen: number,
  problems: readonly TraceProblem[],
): string[] {
  const notes: string[] = [];
  if (tagOf.size === 0) notes.push('no request was seen in the app: does another process answer at that port, or did the agent not start?');
  else if (seen === 0) notes.push('no call of the requests was seen, so nothing is proved: choose a --path that calls other services');
  for (const { call, counts } of places) {
    if (counts.unknown > 0) notes.push(`${call}: ${counts.unknown} calls can't be assigned to a request`);
    if (counts.background > 0) notes.push(`${call}: ${counts.background} calls are made without requests and count as background work`);
  }
  const weak = judged.filter(({ verdict, evidence }) => verdict === 'right' && evidence === 'context').length;
  if (weak > 0 && problems.length === 0) {
    notes.push(
      `${weak} calls are known to be right by their context only, which a queue of data can falsify. If the app passes {id} on in the URL or a header of its calls, put it into --path or --data`,
    );
  }
  for (const { call } of places) {
    const alone = [...tagOf.keys()].filter(isSolo).map((id) => judged.filter((one) => one.place === call && one.request === id).length);
    if (alone.length > 1 && Math.max(...alone) > 0 && alone.includes(0))
      notes.push(`${call}: not every request makes this call, even alone; answers from a cache are not checked`);
  }
  return notes;
}
