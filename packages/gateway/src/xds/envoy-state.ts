/** What one Envoy has, by its own requests, and what to send next so that it loses no request. */
import { clusterByEndpoints, ROUTES_NAME, versionOf, type Resource, type XdsResources } from './resources.js';

/** Resource types. */
export type ResourceKind = 'clusters' | 'endpoints' | 'routes';

/** A request of an Envoy. */
export interface Ask {
  readonly kind: ResourceKind;
  /** The cluster whose endpoints are requested; empty for the other kinds. */
  readonly name: string;
  /** The version that it has; empty if none. */
  readonly version: string;
  /** Why it has refused the last answer, if it has. */
  readonly problem: string | undefined;
}

/** An answer to it. */
export interface Answer {
  readonly version: string;
  readonly resources: readonly object[];
}

/** The last answer for one kind and name. */
interface Told {
  readonly version: string;
  readonly atMs: number;
  isReported: boolean;
}

/** How long an Envoy with clusters from another controller may take to name them. */
const INTRODUCTION_MS = 1_000;
/** Delay before a refused answer is sent again. */
const REPEAT_MS = 1_000;
/** How many lists of clusters are remembered while none is acknowledged. */
const MAX_LISTS = 16;

/** How many clusters one Envoy may name. */
const MAX_CLUSTERS = 10_000;
/** Memory for a name besides its characters, and for one that is stored elsewhere anyway. */
const BYTES_OF_NAME = 100;
const BYTES_OF_ENTRY = 8;

/** What follows from a request. */
export interface Next {
  /** undefined: it is up to date, or it is too early for anything else. */
  readonly answer?: Answer;
  /** When to check again although nothing has changed. */
  readonly waitMs?: number;
  /** To be logged: it refused an answer. */
  readonly problem?: string;
}

/**
 * One Envoy. It fetches clusters, endpoints and routes separately, in any order; a request fails if a route leads to a
 * cluster that does not exist yet, or no longer exists. So routes wait until it has their clusters, and these their endpoints ("make before break");
 * and a cluster stays, with its last endpoints, until no route leads to it.
 */
export class EnvoyState {
  /** Clusters that it has. */
  readonly #clusters = new Set<string>();
  /** Clusters whose endpoints it has. */
  readonly #warm = new Set<string>();
  /** Names of clusters, by the version in which they were sent. */
  readonly #namesOf = new Map<string, { readonly names: readonly string[]; readonly bytes: number }>();
  /** Memory for clusters that it has named since it was sent all. */
  #bytesNamed = 0;
  readonly #told = new Map<string, Told>();
  #routes: string | undefined;

  constructor(readonly metAtMs: number) {}

  /** Approximate memory for this Envoy's claims, which its sender controls. */
  get bytes(): number {
    let sum = this.#bytesNamed + this.#told.size * BYTES_OF_NAME;
    for (const { bytes } of this.#namesOf.values()) sum += bytes;
    return sum;
  }

  /** Records what a request says about the Envoy. */
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

  /** An Envoy without clusters has restarted. */
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
    // A restarted one has refused nothing.
    const isRefused = ask.version !== '' || ask.kind !== 'clusters' || nowMs - told.atMs < REPEAT_MS;
    const problem = isRefused && !told.isReported ? { problem: refusalOf(ask, told.version) } : {};
    if (isRefused) told.isReported = true;
    const waitMs = told.atMs + REPEAT_MS - nowMs;
    return isRefused && waitMs > 0 ? { ...problem, waitMs } : { ...problem, answer: this.#hand(ask, answer) };
  }

  /** Until its next request, it surely has only what this answer and the previous one have in common. */
  #hand({ kind }: Ask, answer: Answer): Answer {
    if (kind === 'routes') this.#routes = undefined;
    if (kind === 'clusters') this.#keep(new Set(this.#namesOf.get(answer.version)?.names));
    return answer;
  }

  /** Forgets clusters outside this list. The list stores the names of the rest, so those take no further memory. */
  #keep(names: ReadonlySet<string>): void {
    this.#bytesNamed = 0;
    for (const set of [this.#clusters, this.#warm]) for (const name of set) if (!names.has(name)) set.delete(name);
  }

  #answer({ kind, name }: Ask, resources: XdsResources, known: KnownResources, isStranger: boolean): Answer | undefined {
    if (kind === 'endpoints') {
      // A cluster that is being removed keeps its endpoints.
      const endpoints = resources.endpoints.get(name) ?? known.endpoints.get(name);
      return endpoints === undefined ? undefined : { version: endpoints.version, resources: [endpoints.content] };
    }
    // If this controller knows less than the one before, the Envoy keeps what it has.
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

  /** Whether its state comes from another controller, or from this one before a restart. */
  #isStranger({ kind, version }: Ask): boolean {
    if (version === '') return false;
    return kind === 'clusters' ? !this.#namesOf.has(version) : !this.#told.has(keyOf(kind, ROUTES_NAME));
  }

  /** Records an answer that was sent completely. */
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
  return `it rejected ${what} of version ${told} and keeps ${version === '' ? 'none' : `those of version ${version}`}: ${problem ?? 'its own log says why'}`;
}

/** Earlier resources, for Envoys that still have them. */
export interface KnownResources {
  readonly clusters: ReadonlyMap<string, Resource>;
  readonly endpoints: ReadonlyMap<string, Resource>;
}
