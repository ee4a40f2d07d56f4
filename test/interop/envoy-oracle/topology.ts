/** Random services with instances in random lanes, and holes anywhere, in base too. */
import fc from 'fast-check';

/**
 * The tags of all lanes. One is a prefix of another, one differs only in case, one has the maximum length: comparing anything but the
 * whole string fails.
 */
export const TAGS = ['gray', 'Gray', 'gray2', 'v1.2_x-y', 'x'.repeat(64)] as const;

/** One instance of a service in a topology; without a tag it is base. */
export interface TopologyInstance {
  readonly tag: string | undefined;
  /** `out`: weight 0; `off`: disabled. Neither may serve, so a lane with only such instances is a hole. */
  readonly state: 'in' | 'out' | 'off';
}

/** A service of a topology. */
export interface TopologyService {
  readonly name: string;
  readonly instances: readonly TopologyInstance[];
}

/** Services that call each other. */
export interface Topology {
  readonly name: string;
  /** The lanes that services may have, 1 to 5. */
  readonly tags: readonly string[];
  readonly services: readonly TopologyService[];
}

const state = fc.oneof(
  { weight: 8, arbitrary: fc.constant('in' as const) },
  { weight: 1, arbitrary: fc.constant('out' as const) },
  { weight: 1, arbitrary: fc.constant('off' as const) },
);

/** How many instances of a service are in one lane: often none. */
const count = (holes: number): fc.Arbitrary<number> =>
  fc.oneof({ weight: holes, arbitrary: fc.constant(0) }, { weight: 6, arbitrary: fc.constant(1) }, { weight: 2, arbitrary: fc.constant(2) });

const instancesOf = (tag: string | undefined, holes: number): fc.Arbitrary<TopologyInstance[]> =>
  count(holes).chain((length) => fc.array(fc.record({ tag: fc.constant(tag), state }), { minLength: length, maxLength: length }));

/** Topologies of 2 to 6 services and 1 to 5 lanes. `number` makes their names unique. */
const topology = (number: number): fc.Arbitrary<Topology> =>
  fc.shuffledSubarray([...TAGS], { minLength: 1 }).chain((tags) =>
    fc
      .array(
        fc
          .tuple(instancesOf(undefined, 1), ...tags.map((tag) => instancesOf(tag, 5)))
          .map((instances) => instances.flat())
          .map((instances) => ({ instances })),
        { minLength: 2, maxLength: 6 },
      )
      .map((services) => ({
        name: `topology ${number}`,
        tags,
        services: services.map(({ instances }, index) => ({ name: `oracle-${number}-${'abcdef'[index]}`, instances })),
      })),
  );

/** This many topologies, the same for the same seed. */
export function topologies(seed: number, length: number): Topology[] {
  return Array.from({ length }, (_, number) => fc.sample(topology(number), { seed: seed + number, numRuns: 1 })[0] as Topology);
}

/** A topology in words, to debug a failure. */
export function describeTopology({ services }: Topology): string {
  const instance = ({ tag, state }: TopologyInstance): string => `${tag ?? 'base'}${state === 'in' ? '' : ` (${state})`}`;
  return services.map(({ name, instances }) => `  ${name}: ${instances.map(instance).join(', ') || 'no instance'}`).join('\n');
}
