/** The services that a request passes, and how each hop calls the next: a random tree, most often a chain. */
import fc from 'fast-check';
import type { Topology } from './topology.js';

/** How a hop finds an instance; with the agent each way must lead to the same lane. Envoy has only one way. */
export const WAYS = ['by service name', 'selectInstances', 'getAllInstances', 'remembered address'] as const;

/** A call of a service, and the calls that it makes in turn, concurrently if there are several. */
export interface Call {
  readonly service: string;
  readonly way: (typeof WAYS)[number];
  readonly client: 'http' | 'fetch';
  /** The hop itself copies its inbound baggage into this call, like a careless proxy. */
  readonly copies: boolean;
  /** Which of the service's instances the hop remembers, as a fraction of their number. */
  readonly remembers: number;
  readonly calls: readonly Call[];
}

/** Trees of 2 to 6 calls over the services of a topology, each service once. */
export function calls({ services }: Topology): fc.Arbitrary<Call> {
  return fc.shuffledSubarray([...services], { minLength: 2 }).chain((order) =>
    fc
      .tuple(
        ...order.map(({ name }, index) =>
          fc.record({
            service: fc.constant(name),
            way: fc.constantFrom(...WAYS),
            client: fc.constantFrom('http' as const, 'fetch' as const),
            copies: fc.boolean(),
            remembers: fc.integer({ min: 0, max: 99 }).map((percent) => percent / 100),
            // Usually the previous one, which makes a chain.
            parent: fc.oneof(
              { weight: 4, arbitrary: fc.constant(index - 1) },
              { weight: 1, arbitrary: fc.integer({ min: 0, max: Math.max(0, index - 1) }) },
            ),
          }),
        ),
      )
      .map((steps) => {
        const childrenOf = (at: number): Call[] =>
          steps.flatMap(({ parent, ...call }, index) => (index > 0 && parent === at ? [{ ...call, calls: childrenOf(index) }] : []));
        const { parent: _, ...first } = steps[0] as (typeof steps)[number];
        return { ...first, calls: childrenOf(0) };
      }),
  );
}

/** Who served a call: the service, the tag of the instance (null: base) or that there was none, and who served its own calls. */
export type Trail =
  | { readonly service: string; readonly tag: string | null; readonly calls: readonly Trail[] }
  | { readonly service: string; readonly unavailable: true };

/** A trail on one line. */
export function describeTrail(trail: Trail): string {
  if ('unavailable' in trail) return `${trail.service}[unavailable]`;
  const below = trail.calls.map(describeTrail);
  const rest = below.length === 0 ? '' : below.length === 1 ? ` -> ${below[0]}` : ` -> (${below.join(' | ')})`;
  return `${trail.service}[${trail.tag ?? 'base'}]${rest}`;
}
