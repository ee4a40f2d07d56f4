/** Stops every process of the demo with SIGTERM and restarts it, one after the other, under load: no request is lost. */
import { BASE_HOST, GRAY_HOST, SHOP, startDemo, type Demo } from '@lane/cli';
import { afterEach, expect, test } from 'vitest';

let demo: Demo | undefined;
afterEach(() => demo?.stop());

const REPLICAS = 2;
/** Concurrent requests; each begins when another one ends. */
const AT_ONCE = 8;

test('a rolling restart of every service loses no request, without a drain and without Kubernetes', { timeout: 600_000 }, async () => {
  demo = await startDemo({ ports: 'auto', replicas: REPLICAS, env: { LANE_LOSSLESS: 'on' } });
  const { request, expected, services } = demo;
  const wrong = new Map<string, number>();
  let right = 0;
  let isOver = false;
  let step = 'before';
  const note = (what: string): unknown => wrong.set(what, (wrong.get(what) ?? 0) + 1);
  const ask = async (host: string): Promise<void> => {
    const { status, body } = await request(host).catch((error: Error) => ({ status: 0, body: error.message }));
    if (status === 200 && expected(host).test(body)) right++;
    else note(`${step}: ${host} ${status} ${body}`);
  };
  const asking = Array.from({ length: AT_ONCE }, async (_, i) => {
    while (!isOver) await ask(i % 2 === 0 ? BASE_HOST : GRAY_HOST);
  });
  try {
    for (let replica = 0; replica < REPLICAS; replica++) {
      for (const { service } of SHOP) {
        const restarted = services.filter((one) => one.service === service && one.replica === replica);
        // One of base and one of gray at a time: each lane keeps one instance.
        await Promise.all(
          restarted.map(async (one) => {
            step = `${one.name} ${one.lane} ${one.address} stops`;
            await one.kill('SIGTERM');
            step = `${one.name} ${one.lane} ${one.address} has stopped`;
            await one.restart();
          }),
        );
        for (const lane of ['base', 'gray'] as const) await demo.waitForInstances(service, lane, REPLICAS);
      }
    }
  } finally {
    isOver = true;
    await Promise.all(asking);
  }
  expect(Object.fromEntries(wrong)).toEqual({});
  expect(right).toBeGreaterThan(1_000);
});
