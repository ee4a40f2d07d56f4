/**
 * Requests the figures of the instances, and adds them up. It asks only instances that the registry lists, and only at their own address, so
 * that registering an instance can't make the console call anything else (admin-address.ts). Limits apply to the size of one answer and of
 * all, the time, the number of instances, and concurrent reads; what is left out is counted.
 */
import { ADMIN_METADATA_KEY } from '@lane/core/agent';
import type { InstanceTags, SurveyedService } from '@lane/core/model';
import { compileLaneGroups, type LaneGroupsDocument } from '@lane/core/rules';
import type { Surveyor } from '../survey.js';
import { adminAddressOf, type AdminAddress } from './admin-address.js';
import { decisionsOf, figuresOf, type Traffic, type TrafficDecision } from './figures.js';
import { STEP_MS, TrafficHistory } from './history.js';
import { readText, TooLargeError, type Budget } from './read-text.js';
import { optional, Sum, type Look, type Teller } from './sum.js';

const MAX_SOURCES = 500;
const CONCURRENCY = 16;
/** Instances are not asked more often, however many pages are open. */
const KEPT_MS = 1_000;
/** Time limits, for one instance and for all of them. */
const SOURCE_TIMEOUT_MS = 2_000;
const LOOK_TIMEOUT_MS = 8_000;
/** An agent at its own limits reports some hundred kilobytes. */
const MAX_TRAFFIC_BYTES = 512 * 1024;
const MAX_DECISIONS_BYTES = 64 * 1024;
const MAX_LOOK_BYTES = 16 * 1024 * 1024;
const MAX_DECISIONS = 200;
const MAX_DECISIONS_OF_ONE = 100;
const MAX_PROBLEMS = 100;

/** Instances of one process, possibly of several services; it announces where its figures are. */
interface Source {
  readonly admin: AdminAddress;
  readonly tellers: Teller[];
}

/** How traffic is collected. */
export interface CollectOptions {
  /** Whether instances that are registered with a loopback address are on this machine. */
  readonly isLoopbackOurs: boolean;
  /** The lane groups, by which instances tell their tags. */
  readonly readLaneGroups: () => Promise<LaneGroupsDocument>;
}

/** What one read has found so far. */
interface Found {
  readonly sum: Sum;
  readonly decisions: Array<TrafficDecision & { readonly atMs: number }>;
  readonly budget: Budget;
  readonly problems: Array<Traffic['sources']['problems'][number]>;
  asked: number;
  answered: number;
  tooLarge: number;
}

/** Collects traffic when asked to. */
export class TrafficCollector {
  readonly #surveyor: Pick<Surveyor, 'survey' | 'tagsUnder'>;
  readonly #readLaneGroups: CollectOptions['readLaneGroups'];
  readonly #isLoopbackOurs: boolean;
  /** Under the lane groups that were read last. */
  #tags: InstanceTags | undefined;
  #latest: { readonly atMs: number; readonly traffic: Promise<Traffic> } | undefined;
  #before: Look | undefined;
  #beforeMs = 0;
  readonly #history = new TrafficHistory();
  #recording: NodeJS.Timeout | undefined;

  constructor(surveyor: Pick<Surveyor, 'survey' | 'tagsUnder'>, { isLoopbackOurs, readLaneGroups }: CollectOptions) {
    this.#surveyor = surveyor;
    this.#readLaneGroups = readLaneGroups;
    this.#isLoopbackOurs = isLoopbackOurs;
  }

  /** Reads periodically even if nobody asks, so that there is a last hour to show. */
  record(): void {
    this.#recording ??= setInterval(() => void this.collect().catch(() => {}), STEP_MS).unref();
  }

  /** Ends that. */
  stop(): void {
    clearInterval(this.#recording);
  }

  /** What was counted in the `seconds` before `until`, of the last hour; without `until`: before now. */
  async window(seconds: number, until?: Date): Promise<Traffic> {
    const now = await this.collect();
    const untilMs = until?.getTime() ?? Date.now();
    return {
      ...now,
      ...this.#history.window(untilMs, seconds),
      decisions: now.decisions.filter(({ at }) => Date.parse(at) <= untilMs),
    };
  }

  /** The instances' figures, from now or within the last second. There is one read at a time. */
  collect(): Promise<Traffic> {
    if (this.#latest !== undefined && performance.now() - this.#latest.atMs < KEPT_MS) return this.#latest.traffic;
    const traffic = this.#look();
    const latest = (this.#latest = { atMs: Number.POSITIVE_INFINITY, traffic });
    traffic.then(
      () => {
        if (this.#latest === latest) this.#latest = { atMs: performance.now(), traffic };
      },
      // Failures are not cached.
      () => {
        if (this.#latest === latest) this.#latest = undefined;
      },
    );
    return traffic;
  }

  async #look(): Promise<Traffic> {
    const [services, tags] = await Promise.all([this.#surveyor.survey(), this.#readTags()]);
    const { sources, silent, elsewhere } = this.#sourcesOf(services, tags);
    const sum = new Sum(services, tags, this.#before, performance.now());
    const found: Found = { sum, decisions: [], budget: { bytes: MAX_LOOK_BYTES }, problems: [], asked: 0, answered: 0, tooLarge: 0 };
    await askAll(sources.slice(0, MAX_SOURCES), found);
    this.#before = sum.look;
    const increment = sum.increment();
    const nowMs = Date.now();
    if (increment !== undefined) this.#history.add(this.#beforeMs, nowMs, increment);
    this.#beforeMs = nowMs;
    const { recorded } = this.#history;
    return {
      at: new Date(nowMs).toISOString(),
      ...(recorded === undefined ? {} : { recorded }),
      nodes: sum.nodes(),
      edges: sum.edges(),
      decisions: found.decisions.map(({ atMs: _, ...decision }) => decision),
      sources: {
        asked: found.asked,
        answered: found.answered,
        silent,
        elsewhere,
        tooLarge: found.tooLarge,
        leftOut: sources.reduce((all, { tellers }) => all + tellers.length, 0) - found.asked,
        ignored: sum.ignored,
        problems: found.problems,
      },
    };
  }

  /** While the lane groups can't be read, what was counted is worth more than the newest of them. */
  async #readTags(): Promise<InstanceTags> {
    const document = await this.#readLaneGroups().catch(() => undefined);
    if (document !== undefined) this.#tags = this.#surveyor.tagsUnder(compileLaneGroups(document));
    return this.#tags ?? this.#surveyor.tagsUnder(undefined);
  }

  #sourcesOf(services: readonly SurveyedService[], tags: InstanceTags): { sources: Source[]; silent: number; elsewhere: number } {
    const byAddress = new Map<string, Source>();
    let silent = 0;
    let elsewhere = 0;
    for (const [service, instance] of inTurn(services)) {
      const { ip, port, metadata, healthy } = instance;
      if (!healthy) continue;
      const announced = metadata[ADMIN_METADATA_KEY];
      const admin = announced === undefined ? undefined : adminAddressOf(announced, ip, this.#isLoopbackOurs);
      if (admin === undefined) {
        silent++;
        if (announced !== undefined) elsewhere++;
        continue;
      }
      const key = `${admin.host} ${admin.port}`;
      let source = byAddress.get(key);
      if (source === undefined) byAddress.set(key, (source = { admin, tellers: [] }));
      source.tellers.push({ service, tag: tags.tagOf(service, instance), instance: `${ip}:${port}` });
    }
    return { sources: [...byAddress.values()], silent, elsewhere };
  }
}

/** The first instance of each service, then the second of each, so that a service with very many does not crowd out the others. */
function* inTurn(services: readonly SurveyedService[]): Generator<readonly [service: string, SurveyedService['instances'][number]]> {
  let rest = services.filter(({ instances }) => instances.length > 0);
  for (let i = 0; rest.length > 0; i++) {
    for (const { name, instances } of rest) yield [name, instances[i] as SurveyedService['instances'][number]];
    rest = rest.filter(({ instances }) => instances.length > i + 1);
  }
}

async function askAll(sources: readonly Source[], found: Found): Promise<void> {
  const endMs = performance.now() + LOOK_TIMEOUT_MS;
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let source = sources[next++]; source !== undefined; source = sources[next++]) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) return;
      await ask(source, found, Math.ceil(Math.min(SOURCE_TIMEOUT_MS, leftMs)));
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, sources.length) }, worker));
}

async function ask({ admin, tellers }: Source, found: Found, timeoutMs: number): Promise<void> {
  found.asked += tellers.length;
  const { budget } = found;
  // One signal: Node 20 forgets timeouts that only AbortSignal.any() refers to, at the next garbage collection.
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const traffic = await readText(admin, '/traffic', { maxBytes: MAX_TRAFFIC_BYTES, budget, signal });
    const decisions = await readText(admin, '/decisions', { maxBytes: MAX_DECISIONS_BYTES, budget, signal });
    // Synchronous from here on: each parsed answer is added up and dropped before the next one.
    const figures = figuresOf(traffic);
    if (figures === undefined) throw new Error('its figures are malformed');
    for (const teller of tellers) found.sum.add(teller, figures);
    addDecisions(found, tellers[0] as Teller, decisions);
    found.answered += tellers.length;
  } catch (error) {
    if (error instanceof TooLargeError) found.tooLarge += tellers.length;
    const { message } = error as Error;
    for (const { service, instance } of tellers)
      if (found.problems.length < MAX_PROBLEMS) found.problems.push({ service, instance, problem: message });
  }
}

/** Keeps the latest of all. */
function addDecisions({ decisions }: Found, { service, tag: serviceTag }: Teller, text: string): void {
  for (const { at, peer, tag, outcome, instance } of decisionsOf(text, MAX_DECISIONS_OF_ONE)) {
    decisions.push({
      atMs: Date.parse(at),
      at: new Date(at).toISOString(),
      service,
      ...optional('serviceTag', serviceTag),
      peer,
      ...optional('tag', tag),
      outcome,
      ...optional('instance', instance),
    });
  }
  decisions.sort((a, b) => b.atMs - a.atMs);
  decisions.length = Math.min(decisions.length, MAX_DECISIONS);
}
