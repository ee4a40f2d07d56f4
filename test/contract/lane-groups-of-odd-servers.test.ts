/** Servers with Nacos' API that do less than Nacos: no history, or they accept and then drop documents, as rnacos does in its first seconds. */
import { createServer, request, type Server } from 'node:http';
import { withGroup, type LaneGroup } from '@lane/core/rules';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { LaneGroupsStore, publishLaneGroups } from '@lane/storage';
import { listen } from '@lane/testing/ports';
import { expect, onTestFinished, test } from 'vitest';

const SHOP: LaneGroup = { name: 'shop', services: ['a'], lanes: [] };
const PAY: LaneGroup = { name: 'pay', services: ['p'], lanes: [] };

interface Odd {
  readonly connection: NacosConnection;
  /** Documents to accept and drop from now on. */
  drop(count: number): void;
  /** Documents published to it. */
  readonly told: number;
}

/** A proxy to a real Nacos, without (or with) a history. */
async function startOdd(history: number | undefined): Promise<Odd> {
  const nacos = await startEmbeddedNacos({ port: 0 });
  const [host, port] = nacos.address.split(':');
  let drops = 0;
  let told = 0;
  const server: Server = createServer((asked, answer) => {
    const url = asked.url ?? '';
    if (history !== undefined && url.startsWith('/nacos/v1/cs/history')) {
      answer.writeHead(history).end();
      return;
    }
    if (asked.method === 'POST' && url.split('?')[0] === '/nacos/v1/cs/configs') {
      told++;
      if (drops > 0) {
        drops--;
        asked.resume();
        answer.end('true');
        return;
      }
    }
    const { method, headers } = asked;
    // On a connection of its own: Nacos may close a kept one just as it is used.
    const on = request({ host, port, method, path: url, headers: { ...headers, host: nacos.address }, agent: false }, (answered) => {
      answer.writeHead(answered.statusCode ?? 500, answered.headers);
      answered.pipe(answer);
    });
    on.on('error', () => answer.destroy());
    asked.pipe(on);
  });
  const connection = connectNacos({ server: `127.0.0.1:${await listen(server)}` });
  onTestFinished(async () => {
    await connection.close();
    server.close();
    server.closeAllConnections();
    await nacos.close();
  });
  return {
    connection,
    drop: (count) => (drops = count),
    get told() {
      return told;
    },
  };
}

test.each([404, 405, 501])('lane groups can be changed without a history (%i), and asking for the history is an error', async (status) => {
  const { connection } = await startOdd(status);
  const store = new LaneGroupsStore(connection);
  expect(await store.change((document) => withGroup(document, SHOP))).toMatchObject({ isChanged: true, protection: 'read-back' });
  expect(await store.change((document) => withGroup(document, PAY))).toMatchObject({ isChanged: true });
  const { document, md5 } = await store.read();
  expect(document.groups.map(({ name }) => name)).toEqual(['shop', 'pay']);
  // Changes are compared all the same.
  await expect(store.change((known) => withGroup(known, SHOP), { casMd5: 'of another' })).rejects.toMatchObject({ code: 'ELANE_CONFLICT' });
  expect(await store.change((known) => withGroup(known, { ...SHOP, services: ['b'] }), { casMd5: md5 })).toMatchObject({ isChanged: true });
  await expect(store.history()).rejects.toMatchObject({ code: 'ELANE_UNSUPPORTED', message: expect.stringContaining('keeps no history') as string });
});

test.each([undefined, 404])('a document that the server drops is written again, and never reported as published (history: %s)', async (history) => {
  const odd = await startOdd(history);
  const store = new LaneGroupsStore(odd.connection);
  odd.drop(1);
  const { isChanged, conflicts } = await store.change((document) => withGroup(document, SHOP));
  expect({ isChanged, conflicts, told: odd.told }).toEqual({ isChanged: true, conflicts: 0, told: 2 });
  expect((await store.read()).document.groups).toHaveLength(1);
});

test.each([undefined, 404])('a document that the server never keeps is a clear error (history: %s)', async (history) => {
  const odd = await startOdd(history);
  const store = new LaneGroupsStore(odd.connection);
  const { md5 } = await store.change((document) => withGroup(document, SHOP));
  odd.drop(Infinity);
  const refused = { code: 'ELANE_NOT_STORED', message: expect.stringContaining('nothing is published') as string };
  await Promise.all([
    expect(store.change((document) => withGroup(document, PAY), { casMd5: md5 })).rejects.toMatchObject(refused),
    expect(store.change((document) => withGroup(document, PAY))).rejects.toMatchObject(refused),
    expect(publishLaneGroups(odd.connection, { version: 1, groups: [PAY] })).rejects.toMatchObject(refused),
  ]);
  expect((await store.read()).document.groups).toEqual([SHOP]);
});
