/**
 * Asks the instances for their figures, and adds them up. Only instances that the registry lists are asked, and only at their own address:
 * whoever may register an instance can't make the console call anything else (admin-address.ts). What they tell is bounded in size, of one
 * and of all, in time, in number, and in how many are read at once; what is left out is counted.
 */
import { ADMIN_METADATA_KEY } from '@lane/core/agent';
import type { SurveyedService } from '@lane/core/model';
import type { Surveyor } from '../survey.js';
import { adminAddressOf, type AdminAddress } from './admin-address.js';
import { decisionsOf, figuresOf, type Traffic, type TrafficDecision } from './figures.js';
import { STEP_MS, TrafficHistory } from './history.js';
import { readText, TooLargeError, type Budget } from './read-text.js';
import { optional, Sum, type Look, type Teller } from './sum.js';

const MAX_SOURCES = 500;
const CONCURRENCY = 16;
/** However many pages are open, the instances are not asked more often. */
const KEPT_MS = 1_000;
/** For one instance, and for all of them. */
const SOURCE_TIMEOUT_MS = 2_000;
const LOOK_TIMEOUT_MS = 8_000;
/** An agent at the limits of its own tells some hundred kilobytes. */
const MAX_TRAFFIC_BYTES = 512 * 1024;
const MAX_DECISIONS_BYTES = 64 * 1024;
const MAX_LOOK_BYTES = 16 * 1024 * 1024;
const MAX_DECISIONS = 200;
const MAX_DECISIONS_OF_ONE = 100;
const MAX_PROBLEMS = 100;

/** Instances of one process, which announces where its figures are: they may be of several services. */
interface Source {
  readonly admin: AdminAddress;
  readonly tellers: Teller[];
}

/** How traffic is collected. */
export interface CollectOptions {
  /** Whether instances that are registered with a loopback address are on this machine. */
  readonly isLoopbackOurs: boolean;
}

/** What one look has found so far. */
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
  readonly #surveyor: Pick<Surveyor, 'survey' | 'tagOf'>;
  readonly #isLoopbackOurs: boolean;
  #latest: { readonly atMs: number; readonly traffic: Promise<Traffic> } | undefined;
  #before: Look | undefined;
  #beforeMs = 0;
  readonly #history = new TrafficHistory();
  #recording: NodeJS.Timeout | undefined;

  constructor(surveyor: Pick<Surveyor, 'survey' | 'tagOf'>, { isLoopbackOurs }: CollectOptions) {
    this.#surveyor = surveyor;
    this.#isLoopbackOurs = isLoopbackOurs;
  }

  /** Looks from time to time though nobody asks, so that there is a last hour to show. */
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

  /** What the instances tell, now or within the last second. There is one look at a time. */
  collect(): Promise<Traffic> {
    if (this.#latest !== undefined && performance.now() - this.#latest.atMs < KEPT_MS) return this.#latest.traffic;
    const traffic = this.#look();
    const latest = (this.#latest = { atMs: Number.POSITIVE_INFINITY, traffic });
    traffic.then(
      () => {
        if (this.#latest === latest) this.#latest = { atMs: performance.now(), traffic };
      },
      // A failure is not kept.
      () => {
        if (this.#latest === latest) this.#latest = undefined;
      },
    );
    return traffic;
  }

  async #look(): Promise<Traffic> {
    const services = await this.#surveyor.survey();
    const { sources, silent, elsewhere } = this.#sourcesOf(services);
    const sum = new Sum(services, this.#before, performance.now());
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

  #sourcesOf(services: readonly SurveyedService[]): { sources: Source[]; silent: number; elsewhere: number } {
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
      source.tellers.push({ service, tag: this.#surveyor.tagOf(instance), instance: `${ip}:${port}` });
    }
    return { sources: [...byAddress.values()], silent, elsewhere };
  }
}

/** The first instance of each service, then the second of each: a service with very many does not keep others from being asked. */
function* inTurn(services: readonly SurveyedService[]): Generator<readonly [service: string, SurveyedService['instances'][number]]> {
  let rest = services.filter(({ instances }) => instances.length > 0);
  for (let i = 0; rest.length > 0; i++) {
    for (const { name, instances } of rest) yield [name, instances[i] as SurveyedService['instances'][number]];
    rest = rest.filter(({ instances }) => instances.length > i + 1);
  }
}

async function askAll(sources: readonly Source[], found: Found): Promise<void> {
  const late = AbortSignal.timeout(LOOK_TIMEOUT_MS);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let source = sources[next++]; source !== undefined && !late.aborted; source = sources[next++]) await ask(source, found, late);
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, sources.length) }, worker));
}

async function ask({ admin, tellers }: Source, found: Found, late: AbortSignal): Promise<void> {
  found.asked += tellers.length;
  const { budget } = found;
  const signal = AbortSignal.any([late, AbortSignal.timeout(SOURCE_TIMEOUT_MS)]);
  try {
    const traffic = await readText(admin, '/traffic', { maxBytes: MAX_TRAFFIC_BYTES, budget, signal });
    const decisions = await readText(admin, '/decisions', { maxBytes: MAX_DECISIONS_BYTES, budget, signal });
    // From here on in one go: what was parsed is added up, and gone before the next answer is.
    const figures = figuresOf(traffic);
    if (figures === undefined) throw new Error('its figures have another form');
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
