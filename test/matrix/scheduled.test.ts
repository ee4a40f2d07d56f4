/** Scheduled work belongs to no request, also where a request has scheduled it: it runs where LANE_BACKGROUND says. */
import { afterAll, beforeAll, expect } from 'vitest';
import { startPeer, type Peer } from '../agent/peer.js';
import { send, startApp } from '../agent/run-app.js';
import { matrix, type NodeMajor, type Row } from './table.js';

const NO_MONGODB = 'keeps its jobs in MongoDB, of which no server can be had';
const ROWS: readonly Row[] = [
  { name: 'node-schedule', dependency: 'node-schedule', help: 'schedulers' },
  { name: 'cron', dependency: 'cron', help: 'schedulers' },
  { name: '@nestjs/schedule', dependency: '@nestjs/schedule', help: 'schedulers' },
  { name: 'agenda', not: Object.fromEntries([20, 22, 24, 26].map((node) => [node, NO_MONGODB])) as Record<NodeMajor, string> },
];

let peer: Peer;
beforeAll(async () => void (peer = await startPeer()));
afterAll(() => peer?.close());

matrix('Scheduled work', ROWS, async (row, node) => {
  const [own, base] = await Promise.all([
    results(row, node.path, { LANE_TAG: 'green' }),
    results(row, node.path, { LANE_TAG: 'green', LANE_BACKGROUND: 'base' }),
  ]);
  expect({ own, base }).toEqual({ own: { boot: 'lane=green', late: 'lane=green' }, base: { boot: '', late: '' } });
  if (node.major === 20) expect((await results(row, node.path, { LANE_DISABLE: row.help as string }))['late']).toBe('lane=gray');
});

async function results(row: Row, node: string, env: Record<string, string>): Promise<Record<string, string>> {
  const app = await startApp({
    node,
    script: '../../matrix/apps/scheduled/app.cjs',
    args: [row.name],
    env: { PEER: `http://127.0.0.1:${peer.port}/`, ...env },
  });
  try {
    await app.heard('boot', 1);
    await send(app.port, '/schedule', { baggage: 'lane=gray' });
    await app.heard('late', 1);
    return JSON.parse((await send(app.port, '/results')).body) as Record<string, string>;
  } finally {
    await app.stop();
  }
}
