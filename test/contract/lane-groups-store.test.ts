/** Changing the lane groups on each server: history, rollback, and concurrent writers. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { compileLaneGroups, withGroup, withLane, type LaneGroup } from '@lane/core/rules';
import { DEFAULT_FORMATS, surveyServices, tablesOf } from '@lane/core/model';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { LaneGroupsStore } from '@lane/storage';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { eventually } from '@lane/testing/eventually';
import { nacosServers, type NacosServer, type RunningNacos } from '../servers/index.js';
import { uniqueName } from './driver.js';
import { startTimeoutMs } from './suite.js';

const CHANGES_EACH = 6;

const SHOP: LaneGroup = { name: 'shop', services: ['a', 'b'], entry: { services: ['a'] }, lanes: [] };

for (const server of nacosServers()) describeStore(server);

function describeStore(server: NacosServer): void {
  describe(`lane groups in ${server.name}`, { timeout: 60_000 }, () => {
    const transports = server.grpc ? (['http', 'grpc'] as const) : (['http'] as const);
    let running: RunningNacos;
    beforeAll(async () => {
      running = await server.start();
    }, startTimeoutMs);
    afterAll(async () => {
      await running?.stop();
    });

    /** Connections to a namespace that no other test uses. */
    function connect(namespace = uniqueName('store'), transport: 'http' | 'grpc' = 'http'): NacosConnection {
      const connection = connectNacos({ server: running.address, namespace, transport, ...running.credentials });
      onTestFinished(() => connection.close());
      return connection;
    }

    test('can be created, and a change without effect writes nothing', async () => {
      const store = new LaneGroupsStore(connect());
      expect(await store.read()).toEqual({ document: { version: 1, groups: [] }, text: '', md5: undefined, problems: [] });
      const changed = await store.change((document) => withGroup(document, SHOP), { by: 'alice' });
      expect(changed).toMatchObject({ isChanged: true, conflicts: 0, protection: 'history' });
      const stored = await store.read();
      expect(stored).toMatchObject({ md5: changed.md5, text: changed.text, document: { groups: [SHOP] } });
      expect(await store.change((document) => withGroup(document, SHOP))).toMatchObject({ isChanged: false });
      expect((await store.history()).total).toBe(1);
    });

    test('have a history that says who, when and what, and versions to roll back to', async () => {
      const store = new LaneGroupsStore(connect());
      const before = Date.now();
      await store.change((document) => withGroup(document, SHOP), { by: 'alice' });
      await store.change((document) => withLane(document, 'shop', { name: 'gray', tag: 'gray' }), { by: 'bob' });
      await store.change((document) => withLane(document, 'shop', { name: 'blue', tag: 'blue' }));

      const { total, versions } = await store.history();
      expect(total).toBe(3);
      expect(versions.map(({ kind, by, isCurrent }) => [kind, by, isCurrent])).toEqual([
        ['changed', undefined, true],
        ['changed', 'bob', false],
        ['created', 'alice', false],
      ]);
      for (const { at } of versions) expect(Math.abs(Date.parse(at ?? '') - before)).toBeLessThan(60_000);

      const texts = await Promise.all(versions.map(({ id }) => store.version(id)));
      const lanesOf = (text: string | undefined): unknown =>
        (JSON.parse(text ?? 'null') as { groups: LaneGroup[] }).groups[0]?.lanes.map(({ tag }) => tag);
      expect(texts.map(({ text }) => lanesOf(text))).toEqual([['gray', 'blue'], ['gray'], []]);
      const second = await store.history({ page: 2, limit: 1 });
      expect(second.versions.map(({ id, isCurrent }) => [id, isCurrent])).toEqual([[versions[1]?.id, false]]);

      await store.rollback(versions[1]?.id as string, { by: 'carol' });
      expect(lanesOf((await store.read()).text)).toEqual(['gray']);
      expect((await store.history()).versions[0]).toMatchObject({ by: 'carol', isCurrent: true });
      await expect(store.version('999999999')).rejects.toMatchObject({ code: 'ELANE_NOT_FOUND' });
    });

    test('are not overwritten if somebody else has changed them: the error says who, and nothing is lost', async () => {
      const connection = connect();
      const store = new LaneGroupsStore(connection);
      await store.change((document) => withGroup(document, SHOP));
      const { md5 } = await store.read();
      await store.change((document) => withLane(document, 'shop', { name: 'blue', tag: 'blue' }), { by: 'bob' });
      const late = store.change((document) => withLane(document, 'shop', { name: 'gray', tag: 'gray' }), { casMd5: md5 });
      await expect(late).rejects.toMatchObject({
        code: 'ELANE_CONFLICT',
        message: expect.stringMatching(/changed by bob from .* at 2.*\(version \d+\)/),
      });
      expect((await store.read()).document.groups[0]?.lanes).toHaveLength(1);
    });

    test.each([
      ['keeps both', undefined, ['blue', 'gray'], undefined],
      ['puts theirs back where it must not overwrite', 'casMd5', ['blue'], 'ELANE_CONFLICT'],
    ])('a change between our read and write: %s', async (_what, explicit, expected, code) => {
      const connection = connect();
      const store = new LaneGroupsStore(connection);
      await store.change((document) => withGroup(document, SHOP));
      const { md5 } = await store.read();
      let slipped = false;
      const racing: NacosConnection = Object.create(connection, {
        publish: {
          // A server without compare-and-set, and another writer at the worst moment.
          value: async (dataId: string, group: string, content: string, options: object) => {
            if (!slipped) {
              slipped = true;
              await new LaneGroupsStore(connection).change((document) => withLane(document, 'shop', { name: 'blue', tag: 'blue' }), { by: 'bob' });
              return connection.publish(dataId, group, content, { ...options, casMd5: undefined });
            }
            return connection.publish(dataId, group, content, options);
          },
        },
      }) as NacosConnection;
      // Private fields are not reachable through an inheriting object.
      for (const method of ['get', 'getRecorded', 'history', 'contentOfChange', 'comparesBeforeWriting'] as const) {
        Object.defineProperty(racing, method, { value: (connection[method] as (() => unknown) | undefined)?.bind(connection) });
      }
      const change = new LaneGroupsStore(racing).change((document) => withLane(document, 'shop', { name: 'gray', tag: 'gray' }), {
        by: 'alice',
        ...(explicit === undefined ? {} : { casMd5: md5 }),
      });
      if (code === undefined) expect(await change).toMatchObject({ conflicts: 1 });
      else await expect(change).rejects.toMatchObject({ code });
      const lanes = (await store.read()).document.groups[0]?.lanes.map(({ tag }) => tag);
      expect(lanes?.toSorted()).toEqual(expected);
    });

    test.each(transports)(
      'writers in several processes lose none of each other’s changes over %s',
      async (transport) => {
        const namespace = uniqueName('writers');
        const store = new LaneGroupsStore(connect(namespace));
        await store.change((document) => withGroup(document, SHOP));
        const names = ['alice', 'bob', 'carol', 'dave'];
        const writers = names.map((name) => {
          const task = { server: running.address, namespace, transport, name, count: CHANGES_EACH, ...running.credentials };
          const child = fork(join(__dirname, 'lane-writer.cjs'), [JSON.stringify(task)]);
          onTestFinished(() => void child.kill('SIGKILL'));
          return child;
        });
        await Promise.all(writers.map((child) => once(child, 'message')));
        const done = Promise.all(writers.map((child) => Promise.all([once(child, 'message'), once(child, 'exit')])));
        for (const child of writers) child.send('go');
        // A writer that ends early never answers: do not wait for it.
        const ends = await Promise.race([done, ...writers.map(endedBadly)]);
        expect(ends.map(([, [code]]) => code as unknown)).toEqual(names.map(() => 0));

        const expected = names.flatMap((name) => Array.from({ length: CHANGES_EACH }, (_, i) => `${name}-${i}`)).toSorted();
        await eventually(async () => expect((await store.read()).document.groups[0]?.lanes.map((lane) => lane.name).toSorted()).toEqual(expected));
        // Otherwise they did not write concurrently, and the test proves nothing.
        const conflicts = ends.map(([[told]]) => (told as { conflicts: number }).conflicts);
        expect(conflicts.reduce((sum, each) => sum + each, 0)).toBeGreaterThan(0);
        const { versions } = await store.history({ limit: 100 });
        expect([...new Set(versions.map(({ by }) => by))].filter((by) => by !== undefined).toSorted()).toEqual(names);
        // On a server without compare-and-set, a change waits until the others are quiet.
      },
      180_000,
    );

    test('a survey finds every service, and its tables show what serves where', async () => {
      const connection = connect();
      await connection.register({ name: 'a', group: 'DEFAULT_GROUP' }, { ip: '10.0.0.1', port: 80 });
      await connection.register({ name: 'a', group: 'DEFAULT_GROUP' }, { ip: '10.0.0.2', port: 80, metadata: { lane: 'gray' } });
      await connection.register({ name: 'b', group: 'DEFAULT_GROUP' }, { ip: '10.0.0.3', port: 80 });
      const survey = await eventually(async () => {
        const found = await surveyServices(connection, { group: 'DEFAULT_GROUP' });
        expect(found.map(({ name, instances }) => [name, instances.length])).toEqual([
          ['a', 2],
          ['b', 1],
        ]);
        return found;
      });
      const rules = compileLaneGroups({ version: 1, groups: [{ ...SHOP, lanes: [{ name: 'gray', tag: 'gray' }] }] });
      expect(tablesOf(survey, rules, { formats: DEFAULT_FORMATS })('a')?.instances).toHaveLength(2);
      expect(tablesOf(survey, rules, { formats: DEFAULT_FORMATS })('c')).toBeUndefined();
    });

    test.runIf(server.grpc)('over gRPC are written by exactly one of several concurrent writers, even the first document', async () => {
      const namespace = uniqueName('race');
      const writers = Array.from({ length: 4 }, () => connect(namespace, 'grpc'));
      for (const round of ['first', 'second']) {
        const md5 = (await writers[0]?.get('race', 'LANE'))?.md5 ?? '';
        const contents = writers.map((_, i) => `${round} by ${i}`);
        const results = await Promise.allSettled(writers.map((writer, i) => writer.publish('race', 'LANE', contents[i] as string, { casMd5: md5 })));
        expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected']);
        for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'ELANE_CONFLICT' });
        const winner = contents[results.findIndex(({ status }) => status === 'fulfilled')];
        expect((await writers[0]?.get('race', 'LANE'))?.content).toBe(winner);
      }
    });

    test.runIf(server.grpc)('over gRPC are compared by the server before it writes; asking for the history fails with the remedy', async () => {
      const store = new LaneGroupsStore(connect(undefined, 'grpc'));
      expect(await store.change((document) => withGroup(document, SHOP))).toMatchObject({ protection: 'comparison' });
      const { md5 } = await store.read();
      expect(await store.change((document) => withLane(document, 'shop', { name: 'blue', tag: 'blue' }))).toMatchObject({ protection: 'comparison' });
      const late = store.change((document) => withLane(document, 'shop', { name: 'gray', tag: 'gray' }), { casMd5: md5 });
      await expect(late).rejects.toMatchObject({ code: 'ELANE_CONFLICT' });
      await expect(store.history()).rejects.toMatchObject({
        code: 'ELANE_UNSUPPORTED',
        message: expect.stringContaining('LANE_NACOS_TRANSPORT=http'),
      });
    });
  });
}

/** Rejects when a process ends with anything but 0. */
function endedBadly(child: ChildProcess): Promise<never> {
  return new Promise((_, reject) => {
    child.once('exit', (code) => code !== 0 && reject(new Error(`a writer exited with code ${code}`)));
  });
}
