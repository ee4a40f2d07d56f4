/** Counts of the last hour, in steps, so that pages can sum up a window or replay the hour. */
import type { Recorded, TrafficEdge, TrafficNode } from './figures.js';
import { p95MsOf } from './p95.js';

const HOUR_MS = 3_600_000;
/** Reads that are closer together than this are one step. */
export const STEP_MS = 15_000;
/** Limit of entries in all steps together, some 100 bytes each; the oldest steps are dropped first. */
const MAX_ENTRIES = 400_000;

type NodeIdentity = Pick<TrafficNode, 'service' | 'tag'>;
type EdgeIdentity = Pick<TrafficEdge, 'from' | 'to' | 'tag' | 'route'>;

/** What was counted since the previous read. */
export interface Increment {
  readonly nodes: ReadonlyArray<
    { readonly key: string; readonly identity: NodeIdentity; readonly instances: number } & Pick<TrafficNode, 'count' | 'errors'>
  >;
  readonly edges: ReadonlyArray<
    { readonly key: string; readonly identity: EdgeIdentity; readonly durationKey: string } & Pick<TrafficEdge, 'count' | 'errors'>
  >;
  /** Request counts by duration, by node and tag; not cumulative. */
  readonly durations: ReadonlyArray<{ readonly key: string; readonly nodeKey: string; readonly buckets: readonly number[] }>;
}

interface Counted {
  count: number;
  errors: number;
}
interface Step {
  /** When it began, and when it was last counted, in milliseconds of `Date.now()`. */
  readonly fromMs: number;
  toMs: number;
  readonly nodes: Map<string, Counted & { instances: number }>;
  readonly edges: Map<string, Counted>;
  readonly durations: Map<string, number[]>;
}

/** The last hour. */
export class TrafficHistory {
  readonly #steps: Step[] = [];
  /** By key, once for all steps. */
  readonly #nodes = new Map<string, NodeIdentity>();
  readonly #edges = new Map<string, EdgeIdentity & { readonly durationKey: string }>();
  readonly #durations = new Map<string, string>();

  /** The period that it covers. */
  get recorded(): Recorded | undefined {
    const first = this.#steps[0];
    const last = this.#steps.at(-1);
    if (first === undefined || last === undefined) return undefined;
    return { from: new Date(first.fromMs).toISOString(), to: new Date(last.toMs).toISOString(), stepSeconds: STEP_MS / 1_000 };
  }

  /** Adds what was counted between two times. */
  add(fromMs: number, toMs: number, { nodes, edges, durations }: Increment): void {
    let step = this.#steps.at(-1);
    if (step === undefined || toMs - step.fromMs > STEP_MS || toMs < step.toMs) {
      step = { fromMs, toMs, nodes: new Map(), edges: new Map(), durations: new Map() };
      this.#steps.push(step);
    }
    step.toMs = toMs;
    for (const { key, identity, instances, count, errors } of nodes) {
      if (!this.#nodes.has(key)) this.#nodes.set(key, identity);
      const into = entry(step.nodes, key, () => ({ instances: 0, count: 0, errors: 0 }));
      into.instances = instances;
      addTo(into, count, errors);
    }
    for (const { key, identity, durationKey, count, errors } of edges) {
      if (count === 0) continue;
      if (!this.#edges.has(key)) this.#edges.set(key, { ...identity, durationKey });
      addTo(
        entry(step.edges, key, () => ({ count: 0, errors: 0 })),
        count,
        errors,
      );
    }
    for (const { key, nodeKey, buckets } of durations) {
      this.#durations.set(key, nodeKey);
      const into = entry(step.durations, key, () => buckets.map(() => 0));
      buckets.forEach((value, i) => (into[i] = (into[i] ?? 0) + value));
    }
    this.#forget(toMs);
  }

  /** What was counted in the `seconds` before `untilMs`. */
  window(untilMs: number, seconds: number): { readonly nodes: TrafficNode[]; readonly edges: TrafficEdge[] } {
    const steps = this.#steps.filter(({ fromMs, toMs }) => toMs > untilMs - seconds * 1_000 && fromMs < untilMs);
    const spanSeconds = Math.max(1, steps.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0) / 1_000);
    const nodes = new Map<string, Counted & { instances: number }>();
    const edges = new Map<string, Counted>();
    const durations = new Map<string, number[]>();
    const ofNodes = new Map<string, number[]>();
    for (const step of steps) {
      for (const [key, { instances, count, errors }] of step.nodes) {
        const into = entry(nodes, key, () => ({ instances: 0, count: 0, errors: 0 }));
        into.instances = instances;
        addTo(into, count, errors);
      }
      for (const [key, { count, errors }] of step.edges)
        addTo(
          entry(edges, key, () => ({ count: 0, errors: 0 })),
          count,
          errors,
        );
      for (const [key, buckets] of step.durations) {
        for (const into of [entry(durations, key, () => []), entry(ofNodes, this.#durations.get(key) ?? '', () => [])])
          buckets.forEach((value, i) => (into[i] = (into[i] ?? 0) + value));
      }
    }
    const counts = (
      { count, errors }: Counted,
      buckets: readonly number[] | undefined,
    ): Pick<TrafficNode, 'count' | 'errors' | 'perSecond' | 'p95Ms'> => {
      const p95Ms = p95MsOf(buckets);
      return { count, errors, perSecond: Math.round((count / spanSeconds) * 100) / 100, ...(p95Ms === undefined ? {} : { p95Ms }) };
    };
    return {
      nodes: [...nodes].map(([key, node]) => ({
        ...(this.#nodes.get(key) as NodeIdentity),
        instances: node.instances,
        ...counts(node, ofNodes.get(key)),
      })),
      edges: [...edges].map(([key, edge]) => {
        const { durationKey, ...identity } = this.#edges.get(key) as EdgeIdentity & { readonly durationKey: string };
        return { ...identity, ...counts(edge, durations.get(durationKey)) };
      }),
    };
  }

  #forget(nowMs: number): void {
    let entries = this.#steps.reduce((sum, { nodes, edges, durations }) => sum + nodes.size + edges.size + durations.size, 0);
    const before = this.#steps.length;
    for (let first = this.#steps[0]; first !== undefined; first = this.#steps[0]) {
      if (this.#steps.length === 1 || (nowMs - first.toMs <= HOUR_MS && entries <= MAX_ENTRIES)) break;
      entries -= first.nodes.size + first.edges.size + first.durations.size;
      this.#steps.shift();
    }
    if (this.#steps.length === before) return;
    for (const [known, of] of [
      [this.#nodes, 'nodes'],
      [this.#edges, 'edges'],
      [this.#durations, 'durations'],
    ] as const)
      for (const key of known.keys()) if (!this.#steps.some((step) => step[of].has(key))) known.delete(key);
  }
}

function entry<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

function addTo(into: Counted, count: number, errors: number): void {
  into.count += count;
  into.errors += errors;
}
