import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { InstanceReport } from '@lane/core/agent';
import type { SurveyedService } from '@lane/core/model';
import { agentsInstancesOf, askAgents, doubtsOf } from './agents-views.js';

const known = (port: number, changes: Partial<InstanceReport> = {}): InstanceReport => ({
  address: `10.0.0.1:${port}`,
  tag: null,
  usable: true,
  source: 'registry',
  listedSecondsAgo: 3,
  doubt: null,
  doubtedSeconds: null,
  leftAloneSeconds: null,
  ...changes,
});
const doubted = { doubt: 'absent', doubtedSeconds: 12 } as const;

/** A service with an instance for each answer, which is given to whoever asks. */
async function serviceOf(...answers: unknown[]): Promise<SurveyedService> {
  const instances = await Promise.all(
    answers.map(async (answer) => {
      const server = createServer((_, response) => response.end(typeof answer === 'string' ? answer : JSON.stringify(answer)));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      onTestFinished(() => void server.close());
      const { port } = server.address() as AddressInfo;
      return { ip: '127.0.0.1', port, weight: 1, healthy: true, enabled: true, metadata: { 'lane.admin': `127.0.0.1:${port}` } };
    }),
  );
  return { name: 'shop', group: 'DEFAULT_GROUP', instances };
}

test('agents report services of which they doubt the registry, and instances that they leave alone', async () => {
  const report = (...instances: InstanceReport[]): object => ({ services: [{ service: 'stock', group: 'DEFAULT_GROUP', instances, omitted: 0 }] });
  const shop = await serviceOf(
    report(known(1), known(2, doubted), known(3, doubted), known(4, { usable: false, leftAloneSeconds: 4 })),
    report(known(1), known(2, { ...doubted, doubtedSeconds: 13 })),
    report(known(1), known(2)),
  );
  const views = await askAgents([shop], true);
  expect(doubtsOf(views)).toEqual([{ service: 'stock', agents: 3, doubting: 2, doubted: 2, of: 3, seconds: 13, leftAlone: 1, ejected: 0 }]);
  expect(agentsInstancesOf(views, { name: 'stock', group: 'DEFAULT_GROUP' })).toMatchObject([
    { address: '10.0.0.1:1', agents: 3, knownBy: 3, doubtedBy: 0, doubtedSeconds: null, leftAloneBy: 0 },
    { address: '10.0.0.1:2', agents: 3, knownBy: 3, doubtedBy: 2, doubtedSeconds: 13, doubt: 'absent' },
    { address: '10.0.0.1:3', agents: 3, knownBy: 1, doubtedBy: 1, doubtedSeconds: 12 },
    { address: '10.0.0.1:4', agents: 3, knownBy: 1, leftAloneBy: 1 },
  ]);
  expect(agentsInstancesOf(views, { name: 'stock', group: 'OTHER' })).toEqual([]);
  // Another machine's loopback is not ours.
  expect(await askAgents([shop], false)).toEqual([]);
});

test('malformed answers are skipped', async () => {
  const shop = await serviceOf(
    'no JSON',
    'null',
    '{"services":[null,{"service":1},{"service":"x","group":"g","instances":[null]}]}',
    { services: [{ service: 'x', group: 'g', instances: [{ ...known(1), listedSecondsAgo: '3' }], omitted: 0 }] },
    { services: [{ service: 'x', group: 'g', instances: [{ ...known(1), tag: 'a\u001b[2J' }], omitted: 0 }] },
    'x'.repeat(600 * 1024),
  );
  expect((await askAgents([shop], true)).flat()).toEqual([]);
});
