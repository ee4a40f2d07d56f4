/** What an export is made from while the registry changes; how long it is not believed is tried in bulk-doubt.test.ts. */
import { eventually, instanceAt, ManualClock, RecordingLog } from '@lane/testing';
import { closing } from '@lane/testing/cleanup';
import { describe, expect, test } from 'vitest';
import type { Instance, InstanceListener } from '@lane/core/model';
import type { LaneGroupsDocument } from '@lane/core/rules';
import type { ExportSource } from '../export/plan.js';
import { LiveSource } from './live-source.js';

const portsOf = (instances: readonly Instance[] | undefined): number[] => (instances ?? []).map(({ port }) => port).sort((a, b) => a - b);
const several = (...ports: number[]): Instance[] => ports.map((port) => instanceAt(port));

describe('a live source', () => {
  const documentOf = (service: string): LaneGroupsDocument => ({
    version: 1,
    groups: [{ name: 'shop', services: [service], entry: { services: ['lane-gateway'] }, lanes: [] }],
  });
  interface Rig {
    readonly live: LiveSource;
    readonly sources: ExportSource[];
    readonly log: RecordingLog;
    readonly clock: ManualClock;
    readonly refusing: Set<number>;
    readonly observed: Map<string, InstanceListener>;
  }
  function rig(given?: ReadonlyMap<string, readonly Instance[]>): Rig {
    const sources: ExportSource[] = [];
    const observed = new Map<string, InstanceListener>();
    const log = new RecordingLog();
    const clock = new ManualClock();
    const refusing = new Set<number>();
    const live = closing(
      new LiveSource({
        registry: {
          holdMs: 30_000,
          observe: ({ name }, listener) => {
            observed.set(name, listener);
            return () => observed.delete(name);
          },
        },
        routesOf: (document) => {
          const service = document?.groups[0]?.services[0];
          if (service === undefined) throw new Error('which service is meant can’t be told');
          return [{ host: '*', service }];
        },
        rest: { formats: ['baggage'] },
        ...(given === undefined ? {} : { given }),
        onSource: (source) => void sources.push(source),
        log,
        clock,
        refuses: ({ port }) => Promise.resolve(refusing.has(port)),
      }),
    );
    return { live, sources, log, clock, observed, refusing };
  }
  /** Lets seconds pass, one after the other, as work is done in each. */
  const passing = async (clock: ManualClock, seconds: number): Promise<void> => {
    for (let i = 0; i < seconds; i++) {
      clock.pass(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const lastPorts = ({ sources }: Rig, service = 'a'): number[] => portsOf(sources.at(-1)?.instancesOf(service, 'DEFAULT_GROUP'));

  test('reports nothing before everything is known, and several changes as one', async () => {
    const one = rig();
    one.observed.get('a')?.(several(1));
    one.live.setDocument(documentOf('a'));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(one.sources).toEqual([]);
    for (const ports of [[1], [1, 2], [1, 2, 3]]) one.observed.get('a')?.(several(...ports));
    await eventually(() => expect(one.sources).toHaveLength(1));
    expect(lastPorts(one)).toEqual([1, 2, 3]);
  });

  test('switches to other services if the lane groups name others', async () => {
    const one = rig();
    one.live.setDocument(documentOf('a'));
    one.observed.get('a')?.(several(1));
    await eventually(() => expect(lastPorts(one)).toEqual([1]));
    one.live.setDocument(documentOf('b'));
    expect([...one.observed.keys()]).toEqual(['b']);
    one.observed.get('b')?.(several(2));
    await eventually(() => expect(lastPorts(one, 'b')).toEqual([2]));
  });

  test('keeps the last lane groups if new ones are ambiguous, and says so', async () => {
    const one = rig();
    one.live.setDocument(documentOf('a'));
    one.observed.get('a')?.(several(1));
    await eventually(() => expect(one.sources).toHaveLength(1));
    one.live.setDocument({ version: 1, groups: [] });
    expect(one.log.lines).toEqual(['warn: which service is meant can’t be told; what was in force before stays in force']);
    one.observed.get('a')?.(several(1, 2));
    await eventually(() => expect(one.sources).toHaveLength(2));
    expect(one.sources[1]?.document).toEqual(documentOf('a'));
  });

  test('believes that many instances are gone only after the registry has said so for a while', async () => {
    const one = rig();
    one.live.setDocument(documentOf('a'));
    one.observed.get('a')?.(several(1, 2, 3, 4));
    await eventually(() => expect(lastPorts(one)).toEqual([1, 2, 3, 4]));
    one.observed.get('a')?.(several(1));
    one.observed.get('a')?.(several(1, 2));
    await eventually(() => expect(one.sources).toHaveLength(2));
    expect(lastPorts(one)).toEqual([1, 2, 3, 4]);
    await passing(one.clock, 30);
    await eventually(() => expect(lastPorts(one)).toEqual([1, 2]));
  });

  test('drops instances that refuse connections at once, as when a whole canary was removed', async () => {
    const one = rig();
    one.live.setDocument(documentOf('a'));
    one.observed.get('a')?.(several(1, 2, 3, 4));
    one.observed.get('a')?.(several(1));
    one.refusing.add(2).add(3);
    await passing(one.clock, 1);
    await eventually(() => expect(lastPorts(one)).toEqual([1, 4]));
  });

  test('keeps the last instances of a service that has none left, for any time, and says so', async () => {
    const one = rig();
    one.live.setDocument(documentOf('a'));
    one.observed.get('a')?.(several(1, 2));
    await eventually(() => expect(lastPorts(one)).toEqual([1, 2]));
    one.observed.get('a')?.([]);
    one.clock.pass(60_000);
    expect(one.log.matching(/dropped 2 of 2 instances of a at once\. .*: they stay until it lists one again/)).toHaveLength(1);
    await eventually(() => expect(one.sources).toHaveLength(2));
    expect(lastPorts(one)).toEqual([1, 2]);
    one.observed.get('a')?.(several(3));
    await eventually(() => expect(lastPorts(one)).toEqual([1, 2, 3]));
    await passing(one.clock, 30);
    await eventually(() => expect(lastPorts(one)).toEqual([3]));
  });

  test('uses given addresses, and asks no registry for them', async () => {
    const one = rig(new Map([['a', several(7)]]));
    one.live.setDocument(documentOf('a'));
    await eventually(() => expect(lastPorts(one)).toEqual([7]));
    expect(one.observed.size).toBe(0);
  });
});
