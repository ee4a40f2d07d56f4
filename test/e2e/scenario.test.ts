/** The scenario on every Nacos, with processes killed and restarted under load. */
import { setTimeout as pause } from 'node:timers/promises';
import { BASE_HOST, GRAY_HOST, startDemo, type Demo, type DemoService } from '@lane/cli';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '@lane/testing/eventually';
import { nacosServers, tellLeftOutServers, type RunningNacos } from '../servers/index.js';

tellLeftOutServers();

const A = /^A\[[\d.:]+\]/;
const BASE_ANSWER = /^A\[[\d.:]+\] -> B\[[\d.:]+\] -> C\[[\d.:]+\]$/;
const GRAY_ANSWER = /^Agray\[[\d.:]+\] -> Bgray\[[\d.:]+\] -> Cgray\[[\d.:]+\]$/;
const GRAY_WITHOUT_B = /^Agray\[[\d.:]+\] -> B\[[\d.:]+\] -> Cgray\[[\d.:]+\]$/;

/**
 * The `nacos` package sends its first heartbeat up to 10 s after its start, and later where all these processes start at once. Any timeout below that
 * removes fresh instances.
 */
const SOON = { BEAT_INTERVAL_MS: '1000', BEAT_TIMEOUT_MS: '25000', DELETE_TIMEOUT_MS: '27000' };
/** The longest time until every process notices a crash, plus a margin for a busy machine. */
const CRASH = { timeoutMs: 90_000, intervalMs: 200 };

describe.concurrent.each(nacosServers().map((server) => ({ name: server.name, server })))('the scenario on $name', ({ name, server }) => {
  let nacos: RunningNacos;
  let demo: Demo;
  const deaths: string[] = [];

  beforeAll(async () => {
    nacos = await server.start();
    demo = await startDemo({
      nacos: nacos.address,
      namespace: `e2e-${process.pid}-${name.replaceAll(/\W+/g, '-')}`,
      nacosUsername: nacos.credentials?.username,
      nacosPassword: nacos.credentials?.password,
      ports: 'auto',
      env: SOON,
      onDeath: (description) => deaths.push(description),
    });
  }, 300_000);

  afterAll(async () => {
    await demo?.stop();
    await nacos?.stop();
  }, 60_000);

  // Sequential: each test starts with the processes as the previous one left them.
  test.sequential('each of 200 interleaved requests is served by its lane all the way down', async () => {
    expect(await ask(demo, [BASE_HOST, GRAY_HOST], 200)).toEqual({ [BASE_HOST]: 'all right', [GRAY_HOST]: 'all right' });
  });

  test.sequential('both replicas of each lane get their share', async () => {
    const seen = new Set<string>();
    for (let i = 0; i < 60; i++) {
      for (const host of [BASE_HOST, GRAY_HOST])
        for (const [, address] of (await demo.request(host)).body.matchAll(/\[([\d.:]+)\]/g)) seen.add(address as string);
    }
    expect([...seen].sort()).toEqual(demo.services.map((one) => one.address).sort());
  });

  test.sequential('a dead gray B is replaced by its twin, then by base, and gray serves again once it is back; base never notices', async () => {
    const [first, second] = demo.services.filter((one) => one.name === 'B' && one.lane === 'gray') as [DemoService, DemoService];
    const base = watchBase(demo);

    await first.kill();
    await eventually(async () => {
      const answers = await many(demo, GRAY_HOST, 20);
      expect(answers.filter((answer) => !GRAY_ANSWER.test(answer))).toEqual([]);
      expect(answers.filter((answer) => !answer.includes(`Bgray[${second.address}]`))).toEqual([]);
    }, CRASH);

    await second.kill();
    await eventually(async () => expect((await many(demo, GRAY_HOST, 20)).filter((answer) => !GRAY_WITHOUT_B.test(answer))).toEqual([]), CRASH);

    await Promise.all([first.restart(), second.restart()]);
    await eventually(async () => expect((await many(demo, GRAY_HOST, 20)).filter((answer) => !GRAY_ANSWER.test(answer))).toEqual([]), CRASH);

    // All of that may take less time than this many requests.
    await eventually(() => expect(base.sent()).toBeGreaterThan(20));
    expect(await base.stop()).toEqual([]);
  }, 300_000);

  test.sequential('a tag forged by a client has no effect at the entry', async () => {
    for (const headers of [{ baggage: 'lane=gray' }, { baggage: 'user=42,lane=gray' }]) {
      expect((await demo.request(BASE_HOST, headers)).body).toMatch(BASE_ANSWER);
    }
    expect((await demo.request('www.unknown.example')).status).toBe(404);
    expect((await demo.request(BASE_HOST)).body).toMatch(A);
  });

  test.sequential('no process died unexpectedly', () => expect(deaths).toEqual([]));
});

/** Sends `count` mixed requests, eight at a time; returns the unexpected answers of each host. */
async function ask(demo: Demo, hosts: readonly string[], count: number): Promise<Record<string, unknown>> {
  const wrong = new Map<string, string[]>(hosts.map((host) => [host, []]));
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const host = hosts[next++ % hosts.length] as string;
      const { body } = await demo.request(host);
      if (!demo.expected(host).test(body)) wrong.get(host)?.push(body);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return Object.fromEntries([...wrong].map(([host, bodies]) => [host, bodies.length === 0 ? 'all right' : bodies]));
}

async function many(demo: Demo, host: string, count: number): Promise<string[]> {
  return Promise.all(Array.from({ length: count }, async () => (await demo.request(host)).body));
}

/** Sends base requests one after the other until stopped. */
function watchBase(demo: Demo): { sent(): number; stop(): Promise<string[]> } {
  let stopped = false;
  let sent = 0;
  const wrong: string[] = [];
  const watching = (async () => {
    while (!stopped) {
      const { body } = await demo.request(BASE_HOST).catch((error: Error) => ({ body: String(error) }));
      sent++;
      if (!BASE_ANSWER.test(body)) wrong.push(body);
      // A steady stream, not a load test.
      await pause(20);
    }
  })();
  return {
    sent: () => sent,
    async stop() {
      stopped = true;
      await watching;
      return wrong;
    },
  };
}
