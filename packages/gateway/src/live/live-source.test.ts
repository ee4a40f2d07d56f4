/** What an export is made from while the registry changes, and while it forgets. */
import { eventually, instanceAt, RecordingLog } from '@lane/testing';
import { closing } from '@lane/testing/cleanup';
import { describe, expect, test } from 'vitest';
import type { Instance, InstanceListener } from '@lane/core/model';
import type { LaneGroupsDocument } from '@lane/core/rules';
import type { ExportSource } from '../export/plan.js';
import { InstanceMemory } from './instance-memory.js';
import { LiveSource } from './live-source.js';

const portsOf = (instances: readonly Instance[] | undefined): number[] => (instances ?? []).map(({ port }) => port).sort();
const several = (...ports: number[]): Instance[] => ports.map((port) => instanceAt(port));

describe('instances that the registry does not list any more', () => {
  const memoryOf = (...ports: number[]): InstanceMemory => {
    const memory = new InstanceMemory();
    memory.take(several(...ports), 0);
    return memory;
  };

  test.each<[what: string, before: number[], list: number[], after: number[]]>([
    ['one of four goes at once', [1, 2, 3, 4], [1, 2, 3], [1, 2, 3]],
    ['half of them go at once', [1, 2], [1], [1]],
    ['more than half stay for a while', [1, 2, 3], [1], [1, 2, 3]],
    ['all of them stay', [1, 2], [], [1, 2]],
    ['the only one stays', [1], [], [1]],
    ['others in place of all of them come beside them', [1, 2], [3, 4], [1, 2, 3, 4]],
  ])('%s', (_what, before, list, after) => {
    expect(portsOf(memoryOf(...before).take(several(...list), 1_000).instances)).toEqual(after);
  });

  test('a registry that was started anew, and gets to know them one by one, takes none away', () => {
    const memory = memoryOf(1, 2, 3, 4);
    for (const [atMs, list] of [
      [0, []],
      [60_000, [1]],
      [65_000, [1, 2]],
      [70_000, [1, 2, 3]],
      [75_000, [1, 2, 3, 4]],
    ] as const)
      expect(portsOf(memory.take(several(...list), atMs).instances)).toEqual([1, 2, 3, 4]);
  });

  test('those that do not come back within 30 s go', () => {
    const memory = memoryOf(1, 2, 3, 4);
    expect(memory.take(several(1), 1_000)).toMatchObject({ kept: 3, againInMs: 30_000 });
    expect(memory.take(several(1, 2), 20_000)).toMatchObject({ kept: 2, againInMs: 11_000 });
    expect(memory.look(30_999)).toMatchObject({ kept: 2 });
    expect(portsOf(memory.look(31_000).instances)).toEqual([1, 2]);
    expect(portsOf(memory.take(several(1), 32_000).instances)).toEqual([1]);
  });

  test('one that comes back as something else is what it is now', () => {
    const memory = memoryOf(1, 2);
    expect(memory.take([instanceAt(1, 'gray'), instanceAt(2)], 0).instances[0]?.metadata).toEqual({ lane: 'gray' });
  });
});

describe('a live source', () => {
  const documentOf = (service: string): LaneGroupsDocument => ({
    version: 1,
    groups: [{ name: 'shop', services: [service], entry: { services: ['lane-gateway'] }, lanes: [] }],
  });
  interface Rig {
    readonly live: LiveSource;
    readonly sources: ExportSource[];
    readonly log: RecordingLog;
    readonly observed: Map<string, InstanceListener>;
  }
  function rig(given?: ReadonlyMap<string, readonly Instance[]>): Rig {
    const sources: ExportSource[] = [];
    const observed = new Map<string, InstanceListener>();
    const log = new RecordingLog();
    const live = closing(
      new LiveSource({
        registry: {
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
      }),
    );
    return { live, sources, log, observed };
  }
  const lastPorts = ({ sources }: Rig, service = 'a'): number[] => portsOf(sources.at(-1)?.instancesOf(service, 'DEFAULT_GROUP'));

  test('tells nothing before all is known, and several changes as one', async () => {
    const one = rig();
    one.observed.get('a')?.(several(1));
    one.live.setDocument(documentOf('a'));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(one.sources).toEqual([]);
    for (const ports of [[1], [1, 2], [1, 2, 3]]) one.observed.get('a')?.(several(...ports));
    await eventually(() => expect(one.sources).toHaveLength(1));
    expect(lastPorts(one)).toEqual([1, 2, 3]);
  });

  test('goes on with other services where the lane groups name others', async () => {
    const one = rig();
    one.live.setDocument(documentOf('a'));
    one.observed.get('a')?.(several(1));
    await eventually(() => expect(lastPorts(one)).toEqual([1]));
    one.live.setDocument(documentOf('b'));
    expect([...one.observed.keys()]).toEqual(['b']);
    one.observed.get('b')?.(several(2));
    await eventually(() => expect(lastPorts(one, 'b')).toEqual([2]));
  });

  test('keeps the last lane groups where they are gone or leave in doubt what is meant, and says so', async () => {
    const one = rig();
    one.live.setDocument(documentOf('a'));
    one.observed.get('a')?.(several(1));
    await eventually(() => expect(one.sources).toHaveLength(1));
    one.live.setDocument(undefined);
    one.live.setDocument({ version: 1, groups: [] });
    expect(one.log.lines).toEqual([
      'warn: the lane groups are gone, and the last ones stay in force: to have none, publish lane groups without a group',
      'warn: which service is meant can’t be told; what was in force before stays so',
    ]);
    one.observed.get('a')?.(several(1, 2));
    await eventually(() => expect(one.sources).toHaveLength(2));
    expect(one.sources[1]?.document).toEqual(documentOf('a'));
  });

  test('keeps the instances of a service that the registry lists no more, and says so once', async () => {
    const one = rig();
    one.live.setDocument(documentOf('a'));
    one.observed.get('a')?.(several(1, 2));
    one.observed.get('a')?.([]);
    one.observed.get('a')?.(undefined as never);
    await eventually(() => expect(lastPorts(one)).toEqual([1, 2]));
    expect(one.log.lines).toEqual([
      'warn: the registry lists 0 of the 2 instances of a: the others stay until it lists some, in case it has forgotten them',
    ]);
  });

  test('goes by addresses that are given, and asks nobody for them', async () => {
    const one = rig(new Map([['a', several(7)]]));
    one.live.setDocument(documentOf('a'));
    await eventually(() => expect(lastPorts(one)).toEqual([7]));
    expect(one.observed.size).toBe(0);
  });
});
