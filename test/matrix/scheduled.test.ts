/** Scheduled work belongs to no request, even if a request scheduled it: it runs in the lane of LANE_BACKGROUND. */
import { afterAll, beforeAll, expect } from 'vitest';
import { startPeer, type Peer } from '../agent/peer.js';
import { send, startApp } from '../agent/run-app.js';
import { startMongo, STAND_IN } from './services/mongo.js';
import { eventually } from '@lane/testing/eventually';
import type { Service } from '../servers/process.js';
import { matrix, type Row } from './table.js';

const ROWS: readonly Row[] = [
  { name: 'node-schedule', dependency: 'node-schedule', help: 'schedulers' },
  { name: 'cron', dependency: 'cron', help: 'schedulers' },
  { name: 'node-cron 4', dependency: 'node-cron', help: 'schedulers' },
  { name: 'node-cron 3', dependency: 'node-cron3', help: 'schedulers' },
  { name: '@nestjs/schedule', dependency: '@nestjs/schedule', help: 'schedulers' },
  { name: 'agenda 6', dependency: 'agenda', limits: STAND_IN },
  { name: 'agenda 5', dependency: 'agenda5', help: 'agenda', limits: STAND_IN },
];

let peer: Peer;
let mongo: Service;
beforeAll(async () => void ([peer, mongo] = await Promise.all([startPeer(), startMongo()])));
afterAll(async () => {
  await Promise.all([peer?.close(), mongo?.stop()]);
});

matrix('Scheduled work', ROWS, async (row, node) => {
  const [own, base] = await Promise.all([
    results(row, node.path, { LANE_TAG: 'green' }),
    results(row, node.path, { LANE_TAG: 'green', LANE_BACKGROUND: 'base' }),
  ]);
  expect({ own, base }).toEqual({ own: { boot: 'lane=green', late: 'lane=green' }, base: { boot: '', late: '' } });
  if (row.help === undefined || node.major !== 20) return;
  // Agenda's timer may find the job before the request that stored it runs it; the timer has no lane to lose.
  const strays = async (): Promise<void> => expect((await results(row, node.path, { LANE_DISABLE: row.help as string }))['late']).toBe('lane=gray');
  await eventually(strays, { timeoutMs: 120_000 });
});

async function results(row: Row, node: string, env: Record<string, string>): Promise<Record<string, string>> {
  const app = await startApp({
    node,
    script: '../../matrix/apps/scheduled/app.cjs',
    args: [row.name],
    env: { PEER: `http://127.0.0.1:${peer.port}/`, MONGO: String(mongo.port), ...env },
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
