/**
 * Changes lane groups under load: entries by the agent (two processes), the gateway and the Express plugin, in front of
 * the services A and B in base and gray, all as separate processes with one Nacos.
 */
import http from 'node:http';
import { join } from 'node:path';
import {
  isKeyWithin,
  withLane,
  withLaneEnabled,
  withoutLane,
  type EntryRule,
  type Lane,
  type LaneGroup,
  type LaneGroupsDocument,
} from '@lane/core/rules';
import { ManagedProcess } from '@lane/cli';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP, LaneGroupsStore } from '@lane/storage';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '@lane/testing/eventually';

/** Five times what the product promises, because the machine may be busy. The tests print the actual time. */
const GIVE_UP_MS = 10_000;
const CHANGES = 100;
const AGENT = require.resolve('@lane/agent');
const LANE = require.resolve('@lane/cli').replace(/index\.js$/, 'main.js');

const ALWAYS: EntryRule = { name: 'always', match: { header: 'x-always', present: true } };
const GRAY: Lane = { name: 'gray', tag: 'gray', rules: [ALWAYS] };
const GROUP: LaneGroup = {
  name: 'chaos',
  services: ['service-a', 'service-b'],
  entry: { services: ['entry-agent', 'lane-gateway', 'entry-express'] },
  lanes: [GRAY],
};
const DOCUMENT: LaneGroupsDocument = { version: 1, groups: [GROUP] };

interface Entry {
  readonly name: string;
  readonly port: number;
}
interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

const processes: ManagedProcess[] = [];
const deaths: string[] = [];
let connection: NacosConnection;
let store: LaneGroupsStore;
let entries: Entry[];
let server: string;

function start(
  name: string,
  script: string,
  env: Record<string, string>,
  args: string[] = [],
  withAgent = true,
): Promise<{ port: number; child: ManagedProcess }> {
  const child = new ManagedProcess({
    name,
    script,
    args,
    env: { LANE_NACOS_SERVER: server, ...env },
    preload: withAgent ? [AGENT] : [],
    onDeath: (description) => deaths.push(description),
  });
  processes.push(child);
  return child.message<{ port: number }>().then(({ port }) => ({ port, child }));
}

const app = (name: string): string => join(__dirname, 'apps', name);

async function startInstance(service: string, name: string, next?: string, tag?: string): Promise<void> {
  const { port } = await start(name, app('chain.cjs'), {
    NAME: name,
    LANE_SERVICE: service,
    ...(next === undefined ? {} : { NEXT: next }),
    ...(tag === undefined ? {} : { LANE_TAG: tag }),
  });
  await connection.register({ name: service, group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port, metadata: tag === undefined ? {} : { lane: tag } });
}

const startEntry = (): Promise<{ port: number; child: ManagedProcess }> =>
  start('entry-agent', app('chain.cjs'), { NAME: 'entry', NEXT: 'service-a', LANE_SERVICE: 'entry-agent' });

beforeAll(async () => {
  const nacos = await startEmbeddedNacos({ port: 0 });
  server = nacos.address;
  connection = connectNacos({ server });
  store = new LaneGroupsStore(connection);
  await store.replace(DOCUMENT);
  await Promise.all([
    startInstance('service-a', 'A', 'service-b'),
    startInstance('service-a', 'Agray', 'service-b', 'gray'),
    startInstance('service-b', 'B'),
    startInstance('service-b', 'Bgray', undefined, 'gray'),
    startInstance('service-b', 'Bred', undefined, 'red'),
  ]);
  const [first, second, express, gateway] = await Promise.all([
    startEntry(),
    startEntry(),
    start('express', app('express.cjs'), { NEXT: 'service-a', LANE_DISABLE: 'http-server' }),
    start('gateway', LANE, {}, ['gateway', '--port', '0', '--nacos', server, '--entry', 'rules', '--route', '*=service-a'], false),
  ]);
  entries = [
    { name: 'agent', port: first.port },
    { name: 'agent, another process', port: second.port },
    { name: 'Express plugin', port: express.port },
    { name: 'gateway', port: gateway.port },
  ];
  await everywhere({ 'x-always': '1' }, 'Agray Bgray');
  return async () => {
    await Promise.all(processes.map((child) => child.stop()));
    await connection.close();
    await nacos.close();
  };
});

beforeEach(async () => {
  await store.replace(DOCUMENT);
  await everywhere({ 'x-always': '1' }, 'Agray Bgray');
});

afterAll(() => expect(deaths).toEqual([]));

const agent = new http.Agent({ keepAlive: true });

function ask({ port }: Entry, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    http
      .get({ host: '127.0.0.1', port, path: '/', agent, headers }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
        response.on('end', () => resolve({ status: response.statusCode, body: body.replace(/^entry /, '') })).on('error', reject);
      })
      .on('error', reject);
  });
}

/** Waits until every entry answers like this. */
async function everywhere(headers: Record<string, string>, body: string): Promise<void> {
  await Promise.all(
    entries.map((entry) => eventually(async () => expect([entry.name, (await ask(entry, headers)).body]).toEqual([entry.name, body]))),
  );
}

/** Asks until the answer is this one; returns how long that took. */
async function untilAnswer(entry: Entry, headers: Record<string, string>, body: string, since: number): Promise<number> {
  for (;;) {
    const answer = await ask(entry, headers);
    const tookMs = performance.now() - since;
    if (answer.body === body) return tookMs;
    if (tookMs > GIVE_UP_MS) throw new Error(`${entry.name} still answers ${JSON.stringify(answer)} to ${JSON.stringify(headers)}`);
  }
}

describe('lane groups', () => {
  /** Changes the gray lane repeatedly while all entries get requests, and waits each time until the change is in force everywhere. */
  async function changeUnderLoad(changes: number, prefix: string): Promise<{ wrong: string[]; sent: number; told: string }> {
    const wrong: string[] = [];
    let sent = 0;
    let isOver = false;
    async function load(entry: Entry, headers: Record<string, string>, expected: string): Promise<void> {
      while (!isOver) {
        const { status, body } = await ask(entry, headers).catch((error: Error) => ({ status: 0, body: error.message }));
        sent++;
        if (status !== 200 || body !== expected) wrong.push(`${entry.name} ${JSON.stringify(headers)}: ${status} ${body}`);
      }
    }
    const loads = entries.flatMap((entry) => [load(entry, {}, 'A B'), load(entry, { 'x-always': '1' }, 'Agray Bgray')]);
    const tookMs: number[] = [];
    for (let i = 1; i <= changes; i++) {
      const rules: EntryRule[] = [{ name: 'key', match: { header: 'x-key', exact: `${prefix}${i}` } }, ALWAYS];
      const since = performance.now();
      await store.change((document) => withLane(document, 'chaos', { ...GRAY, rules }));
      tookMs.push(...(await Promise.all(entries.map((entry) => untilAnswer(entry, { 'x-key': `${prefix}${i}` }, 'Agray Bgray', since)))));
      for (const entry of entries) expect((await ask(entry, { 'x-key': `${prefix}${i - 1}` })).body).toBe('A B');
    }
    isOver = true;
    await Promise.all(loads);
    tookMs.sort((a, b) => a - b);
    const at = (share: number): string => `${Math.round(tookMs[Math.floor((tookMs.length - 1) * share)] as number)} ms`;
    const told = `${changes} changes in force at ${entries.length} entries: median ${at(0.5)}, 99 % ${at(0.99)}, longest ${at(1)}; ${sent} requests meanwhile`;
    return { wrong, sent, told };
  }

  test(`changed ${CHANGES} times under load: no request fails or strays, and each change comes into force everywhere`, async () => {
    const { wrong, sent, told } = await changeUnderLoad(CHANGES, 'k');
    console.log(told);
    expect(wrong).toEqual([]);
    expect(sent).toBeGreaterThan(CHANGES);
  });

  test('with a thousand lanes and five hundred services come into force without failing a request', async () => {
    const big: LaneGroup = {
      name: 'big',
      services: ['service-a', 'service-b', ...Array.from({ length: 498 }, (_, i) => `big-${i}`)],
      entry: { services: ['entry-agent', 'lane-gateway', 'entry-express'] },
      lanes: Array.from({ length: 1_000 }, (_, i) => ({
        name: `big-${i}`,
        tag: `big-${i}`,
        rules: [{ name: 'user', match: { header: 'x-user', exact: `user-${i}` } }],
      })),
    };
    await store.change((document) => ({ ...document, groups: [...document.groups, big] }));
    // The last rule: an entry that has it has all rules. No instance has its tag.
    await everywhere({ 'x-user': 'user-999' }, 'A B');
    const { wrong, told } = await changeUnderLoad(10, 'big');
    console.log(`beside 1,000 lanes of 500 services ${told}`);
    expect(wrong).toEqual([]);
  });

  test('a disabled lane gets no requests, not even those with its tag, until it is enabled again', async () => {
    await store.change((document) => withLaneEnabled(document, 'chaos', 'gray', false));
    await everywhere({ 'x-always': '1' }, 'A B');
    // The gateway trusts no inbound tag; the other entries do, unless the lane is disabled.
    for (const entry of entries) expect((await ask(entry, { baggage: 'lane=gray' })).body).toBe('A B');
    await store.change((document) => withLaneEnabled(document, 'chaos', 'gray', true));
    await everywhere({ 'x-always': '1' }, 'Agray Bgray');
  });

  test('each lane uses its own fallback for services without an instance', async () => {
    const red = (fallback: 'base' | 'none'): Lane => ({
      name: 'red',
      tag: 'red',
      fallback,
      rules: [{ name: 'red', match: { header: 'x-red', present: true } }],
    });
    await store.change((document) => withLane(document, 'chaos', red('base')));
    await everywhere({ 'x-red': '1' }, 'A Bred');
    await store.change((document) => withLane(document, 'chaos', red('none')));
    await Promise.all(
      entries.map((entry) =>
        eventually(async () => {
          const { status, body } = await ask(entry, { 'x-red': '1' });
          expect([entry.name, status]).toEqual([entry.name, entry.name === 'gateway' ? 503 : 502]);
          expect(body).toContain('ELANE_UNAVAILABLE');
        }),
      ),
    );
    expect((await ask(entries[0] as Entry, { 'x-always': '1' })).body).toBe('Agray Bgray');
  });

  test('several groups share a service: a lane applies to the services of its own groups only', async () => {
    const other: LaneGroup = {
      name: 'other',
      services: ['service-b'],
      entry: GROUP.entry as NonNullable<LaneGroup['entry']>,
      lanes: [{ name: 'red', tag: 'red', fallback: 'none', rules: [{ name: 'red', match: { header: 'x-red', present: true } }] }],
    };
    await store.change((document) => ({ ...document, groups: [...document.groups, other] }));
    // service-a is in no group with this lane: base serves it whatever the fallback, and the tag is forwarded.
    await everywhere({ 'x-red': '1' }, 'A Bred');
    for (const entry of entries) expect((await ask(entry, { 'x-always': '1' })).body).toBe('Agray Bgray');
  });

  test('a percentage selects the same keys in agent, gateway and Express plugin, and in a new process', async () => {
    const rule: EntryRule = { name: 'share', percent: 30, by: { cookie: 'uid' } };
    await store.change((document) => withLane(document, 'chaos', { ...GRAY, rules: [rule, ALWAYS] }));
    const inside = Array.from({ length: 1_000 }, (_, i) => `u${i}`).find((key) => isKeyWithin(30, 'share', key)) as string;
    await everywhere({ cookie: `uid=${inside}` }, 'Agray Bgray');
    const restarted = await startEntry();
    const all = [...entries, { name: 'restarted agent', port: restarted.port }];
    await untilAnswer(all.at(-1) as Entry, { cookie: `uid=${inside}` }, 'Agray Bgray', performance.now());
    let within = 0;
    for (let i = 0; i < 60; i++) {
      const key = `user-${i}`;
      const expected = isKeyWithin(30, 'share', key) ? 'Agray Bgray' : 'A B';
      if (expected !== 'A B') within++;
      for (const entry of all) expect([entry.name, key, (await ask(entry, { cookie: `uid=${key}` })).body]).toEqual([entry.name, key, expected]);
    }
    expect(within).toBeGreaterThan(0);
    await restarted.child.stop();
  });

  test('writers reject an invalid document, and readers ignore it', async () => {
    const before = await store.read();
    const invalid = { ...DOCUMENT, groups: [{ ...GROUP, lanes: [{ ...GRAY, tag: 'no tag' }] }] };
    await expect(store.replace(invalid)).rejects.toMatchObject({ code: 'ELANE_INVALID_LANE_GROUPS' });
    expect((await store.read()).md5).toBe(before.md5);

    await connection.publish(LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP, JSON.stringify(invalid));
    // The next change shows that it has been read.
    for (const entry of entries) expect((await ask(entry, { 'x-always': '1' })).body).toBe('Agray Bgray');
    await expect(store.change((document) => withoutLane(document, 'chaos', 'gray'))).rejects.toMatchObject({ code: 'ELANE_INVALID_LANE_GROUPS' });
    await store.replace({
      ...DOCUMENT,
      groups: [{ ...GROUP, lanes: [{ ...GRAY, rules: [{ name: 'now', match: { header: 'x-now', present: true } }] }] }],
    });
    await everywhere({ 'x-now': '1' }, 'Agray Bgray');
  });
});
