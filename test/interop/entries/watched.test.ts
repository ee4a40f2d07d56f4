/** Real nginx and HAProxy under load, whose file `lane gateway export --watch` rewrites, and which it reloads. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '@lane/testing/eventually';
import { freePort } from '@lane/testing/ports';
import { CLEAN } from '@lane/testing/processes';
import { LANE, runLane } from '@lane/testing/programs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask } from './entry.js';
import { startHaproxy } from './haproxy.js';
import { EXPECTED, Load } from './load.js';
import { startNginx } from './nginx.js';
import type { Proxy } from './proxy.js';
import { Registry, turnedTo } from './steered.js';

/** A gateway that can be reloaded. */
interface Reloaded {
  readonly target: string;
  readonly file: string;
  readonly start: (configuration: string, port: number) => Promise<Proxy>;
  readonly check: (proxy: Proxy) => string;
  readonly reload: (proxy: Proxy) => string;
}

const NGINX = (proxy: Proxy): string => `/usr/sbin/nginx -p ${proxy.folder} -c ${proxy.folder}/nginx.conf`;

describe.each<Reloaded>([
  {
    target: 'nginx',
    file: 'lane.conf',
    start: startNginx,
    check: (proxy) => `${NGINX(proxy)} -t -q`,
    reload: (proxy) => `${NGINX(proxy)} -s reload`,
  },
  {
    target: 'haproxy',
    file: 'haproxy.cfg',
    start: (configuration, port) => startHaproxy(configuration, port, true),
    check: () => '/usr/sbin/haproxy -c -q -f "$LANE_FILE"',
    reload: ({ pid }) => `kill -USR2 ${pid}`,
  },
])('$target', ({ target, file, start, check, reload }) => {
  let registry: Registry;
  let proxy: Proxy;
  let path: string;
  let child: ChildProcess;
  let said = '';

  beforeAll(async () => {
    registry = await Registry.start();
    await registry.publish(turnedTo(false));
    for (const tag of [undefined, undefined, 'gray']) await registry.add(tag);
    const port = await freePort();
    const given = ['gateway', 'export', target, '--nacos', registry.nacos.address, '--listen', String(port)];
    proxy = await start((await runLane(given)).stdout, port);
    path = join(proxy.folder, file);
    // Simulates a file that the gateway rejects: no rule produces one, because the export drops such rules.
    const checked = `! grep -q nobody-likes-it "$LANE_FILE" && ${check(proxy)}`;
    child = spawn(process.execPath, [LANE, ...given, '--watch', '--output', path, '--check', checked, '--reload', reload(proxy)], {
      env: CLEAN,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await eventually(() => expect(said).toContain('up to date'));
  });

  afterAll(async () => {
    child?.kill('SIGKILL');
    await proxy?.stop();
    await registry?.stop();
  });

  const inForce = (asked: Parameters<typeof ask>[1], name: string): Promise<void> =>
    eventually(async () => expect(await ask(proxy.port, asked)).toMatchObject({ name }));

  test('rules and instances come and go, and no request is lost or goes astray', async () => {
    const load = new Load([proxy.port], EXPECTED, false);
    const tookMs: number[] = [];
    for (let i = 1; i <= 10; i++) {
      const startedMs = Date.now();
      await registry.publish(turnedTo(i % 2 === 1, `user-${i}`));
      await inForce({ host: 'www.aliyundoc.com', headers: { 'x-who': `user-${i}` } }, 'gray');
      tookMs.push(Date.now() - startedMs);
    }
    // A busy machine stalls now and then, the clock does not.
    expect(tookMs.toSorted((a, b) => a - b)[7]).toBeLessThan(4_000);
    for (let i = 0; i < 2; i++) await registry.comeAndGo(inForce);
    const outcome = await load.end();
    expect(outcome).toMatchObject({ failed: [], wrong: [] });
    expect(outcome.sent).toBeGreaterThan(500);
  });

  test('it reports what has changed', () => {
    expect(said).toMatch(/lane\.conf|haproxy\.cfg: written, and loaded by the gateway after \d+ ms\n/);
    expect(said).toMatch(/ {2}rule shop\/gray\/turned added\n/);
    expect(said).toMatch(/ {2}rule shop\/gray\/who changed\n/);
    expect(said).toMatch(/ {2}upstream spring-cloud-a--blue: 0 → 1 instances \(\+127\.0\.0\.1:\d+\)\n/);
    expect(said).toMatch(/ {2}\*\/ in lane blue: spring-cloud-a--blue → spring-cloud-a\n/);
  });

  test('a rejected file is replaced by the old one, which records the reason, and requests are served as before', async () => {
    const before = readFileSync(path, 'utf8');
    const load = new Load([proxy.port], EXPECTED, false);
    await registry.publish(turnedTo(false, 'nobody-likes-it'));
    await eventually(() => expect(said).toMatch(/the new file is rejected, and the old one restored\. `.*` failed \(1\)/));
    expect(readFileSync(path, 'utf8')).toBe(before);
    await registry.publish(turnedTo(true, 'mended'));
    await inForce({ host: 'www.aliyundoc.com', headers: { 'x-who': 'mended' } }, 'gray');
    expect(await load.end()).toMatchObject({ failed: [], wrong: [] });
  });

  test('an empty restarted Nacos changes nothing', async () => {
    const before = readFileSync(path, 'utf8');
    const load = new Load([proxy.port], EXPECTED, false);
    await registry.forget();
    await eventually(() => expect(said).toContain('The lane groups stay in force for'), { timeoutMs: 60_000 });
    expect(readFileSync(path, 'utf8')).toBe(before);
    await eventually(() => expect(said).toContain('the registry dropped 3 of 3 instances of spring-cloud-a at once'), { timeoutMs: 60_000 });
    await registry.comeBack();
    await registry.publish(turnedTo(true, 'back'));
    await inForce({ host: 'www.aliyundoc.com', headers: { 'x-who': 'back' } }, 'gray');
    expect(await load.end()).toMatchObject({ failed: [], wrong: [] });
  });

  test('on SIGTERM it keeps the file unchanged', async () => {
    const before = readFileSync(path, 'utf8');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(readFileSync(path, 'utf8')).toBe(before);
  });
});
