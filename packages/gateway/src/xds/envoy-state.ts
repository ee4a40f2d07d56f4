/** What one Envoy has, as its own requests tell, and what it may be told next so that no request of it gets lost. */
import { clusterByEndpoints, ROUTES_NAME, versionOf, type Resource, type XdsResources } from './resources.js';

/** What an Envoy asks for. */
export type ResourceKind = 'clusters' | 'endpoints' | 'routes';

/** A request of an Envoy. */
export interface Ask {
  readonly kind: ResourceKind;
  /** The cluster whose endpoints are asked for; empty for the other kinds. */
  readonly name: string;
  /** The version that it has; empty where it has none. */
  readonly version: string;
  /** Why it has refused what it was told, where it says so. */
  readonly problem: string | undefined;
}

/** An answer to it. */
export interface Answer {
  readonly version: string;
  readonly resources: readonly object[];
}

/** What was told last, of one kind and name. */
interface Told {
  readonly version: string;
  readonly atMs: number;
  isReported: boolean;
}

/** How long an Envoy that another controller has told of clusters may take to name them. */
const INTRODUCTION_MS = 1_000;
/** What was not taken is not told again before this. */
const REPEAT_MS = 1_000;
/** Lists of clusters that may be remembered while none is acknowledged. */
const MAX_LISTS = 16;

/** Clusters that one Envoy may name. */
const MAX_CLUSTERS = 10_000;
/** What it takes to remember a name beside its characters, and one that is kept elsewhere anyway. */
const BYTES_OF_NAME = 100;
const BYTES_OF_ENTRY = 8;

/** What follows from a request. */
export interface Next {
  /** undefined: what it has is right, or it is too early for anything else. */
  readonly answer?: Answer;
  /** When to look again although nothing has changed. */
  readonly waitMs?: number;
  /** To be logged: it did not take what it was told. */
  readonly problem?: string;
}

/**
 * One Envoy. It fetches clusters, endpoints and routes apart from each other, in no order; a request goes astray where a route leads to a
 * cluster that is not there yet, or no more. So routes wait until it has their clusters, and these their endpoints ("make before break");
 * and a cluster stays, with its last endpoints, until the routes that lead to it are gone.
 */
export class EnvoyState {
  /** Clusters that it has. */
  readonly #clusters = new Set<string>();
  /** Those of them whose endpoints it has. */
  readonly #warm = new Set<string>();
  /** Names of clusters, by the version under which they were told. */
  readonly #namesOf = new Map<string, { readonly names: readonly string[]; readonly bytes: number }>();
  /** What those clusters take that it has said to have since it was told of all. */
  #bytesNamed = 0;
  readonly #told = new Map<string, Told>();
  #routes: string | undefined;

  constructor(readonly metAtMs: number) {}

  /** About what it takes to remember what this Envoy has said, which is what its sender likes. */
  get bytes(): number {
    let sum = this.#bytesNamed + this.#told.size * BYTES_OF_NAME;
    for (const { bytes } of this.#namesOf.values()) sum += bytes;
    return sum;
  }

  /** Takes note of what a request says of the Envoy. */
  hear({ kind, name, version }: Ask): void {
    if (kind === 'clusters') {
      if (version === '') this.#forget();
      else this.#has(version);
    } else if (kind === 'endpoints') {
      if (this.#clusters.size < MAX_CLUSTERS && !this.#clusters.has(name)) {
        this.#clusters.add(name);
        this.#bytesNamed += bytesOf(name);
      }
      if (version === '' || !this.#clusters.has(name)) this.#warm.delete(name);
      else this.#warm.add(name);
    } else this.#routes = version;
  }

  /** One that has no clusters was started anew. */
  #forget(): void {
    this.#clusters.clear();
    this.#warm.clear();
    this.#namesOf.clear();
    this.#bytesNamed = 0;
    this.#routes = undefined;
    for (const key of this.#told.keys()) if (key !== keyOf('clusters', '')) this.#told.delete(key);
  }

  #has(version: string): void {
    const names = this.#namesOf.get(version)?.names;
    if (names === undefined) return;
    for (const name of names) this.#clusters.add(name);
    this.#keep(new Set(names));
  }

  /** What to do about a request. */
  next(ask: Ask, resources: XdsResources, known: KnownResources, nowMs: number): Next {
    const isStranger = this.#isStranger(ask);
    const answer = this.#answer(ask, resources, known, isStranger);
    if (answer === undefined) return {};
    if (answer.version === ask.version) {
      if (ask.kind === 'clusters') this.#has(ask.version);
      return {};
    }
    if (ask.kind === 'clusters' && isStranger && nowMs - this.metAtMs < INTRODUCTION_MS) return { waitMs: this.metAtMs + INTRODUCTION_MS - nowMs };
    const told = this.#told.get(keyOf(ask.kind, ask.name));
    if (told?.version !== answer.version) return { answer: this.#hand(ask, answer) };
    // One that was started anew has refused nothing.
    const isRefused = ask.version !== '' || ask.kind !== 'clusters' || nowMs - told.atMs < REPEAT_MS;
    const problem = isRefused && !told.isReported ? { problem: refusalOf(ask, told.version) } : {};
    if (isRefused) told.isReported = true;
    const waitMs = told.atMs + REPEAT_MS - nowMs;
    return isRefused && waitMs > 0 ? { ...problem, waitMs } : { ...problem, answer: this.#hand(ask, answer) };
  }

  /** From now on until its next request it is sure to have only what both this answer and the one before say. */
  #hand({ kind }: Ask, answer: Answer): Answer {
    if (kind === 'routes') this.#routes = undefined;
    if (kind === 'clusters') this.#keep(new Set(this.#namesOf.get(answer.version)?.names));
    return answer;
  }

  /** All that are left are in one of the lists. */
  #keep(names: ReadonlySet<string>): void {
    this.#bytesNamed = 0;
    for (const set of [this.#clusters, this.#warm]) for (const name of set) if (!names.has(name)) set.delete(name);
  }

  #answer({ kind, name }: Ask, resources: XdsResources, known: KnownResources, isStranger: boolean): Answer | undefined {
    if (kind === 'endpoints') {
      // A cluster on its way out keeps what it has, or had.
      const endpoints = resources.endpoints.get(name) ?? known.endpoints.get(name);
      return endpoints === undefined ? undefined : { version: endpoints.version, resources: [endpoints.content] };
    }
    // Where less is known than whoever told it has known, it keeps what it has.
    if (!resources.isComplete && isStranger) return undefined;
    if (kind === 'routes') {
      for (const one of resources.clusters.keys()) if (!this.#clusters.has(one)) return undefined;
      for (const one of resources.endpoints.keys()) if (!this.#warm.has(one)) return undefined;
      return { version: resources.routes.version, resources: [resources.routes.content] };
    }
    const clusters = new Map(resources.clusters);
    let bytes = 0;
    if (this.#routes !== resources.routes.version) {
      for (const one of this.#clusters) {
        if (clusters.has(one)) continue;
        if (!known.clusters.has(one)) bytes += bytesOf(one);
        clusters.set(one, known.clusters.get(one) ?? clusterByEndpoints(one));
      }
    }
    const names = [...clusters.keys()].sort();
    const version = versionOf(names.map((one) => `${one} ${clusters.get(one)?.version}`).join('\n'));
    this.#namesOf.delete(version);
    this.#namesOf.set(version, { names, bytes: bytes + names.length * BYTES_OF_ENTRY });
    const [oldest] = this.#namesOf.keys();
    if (this.#namesOf.size > MAX_LISTS) this.#namesOf.delete(oldest as string);
    return { version, resources: names.map((one) => (clusters.get(one) as Resource).content) };
  }

  /** Whether what it has was told by another controller, or by this one before it was started anew. */
  #isStranger({ kind, version }: Ask): boolean {
    if (version === '') return false;
    return kind === 'clusters' ? !this.#namesOf.has(version) : !this.#told.has(keyOf(kind, ROUTES_NAME));
  }

  /** Takes note of what was handed over to the last byte. */
  tell({ kind, name }: Ask, { version }: Answer, nowMs: number): void {
    const before = this.#told.get(keyOf(kind, name));
    this.#told.set(keyOf(kind, name), { version, atMs: nowMs, isReported: before?.version === version && before.isReported });
  }
}

function bytesOf(name: string): number {
  return BYTES_OF_NAME + name.length * 2;
}

function keyOf(kind: ResourceKind, name: string): string {
  return `${kind} ${name}`;
}

function refusalOf({ kind, name, version, problem }: Ask, told: string): string {
  const what = kind === 'endpoints' ? `the endpoints of ${name}` : `the ${kind}`;
  return `it did not take ${what} of version ${told}, and goes on with ${version === '' ? 'none' : `those of version ${version}`}: ${problem ?? 'its own log says why'}`;
}

/** What has been told of, for those who still have it. */
export interface KnownResources {
  readonly clusters: ReadonlyMap<string, Resource>;
  readonly endpoints: ReadonlyMap<string, Resource>;
}
