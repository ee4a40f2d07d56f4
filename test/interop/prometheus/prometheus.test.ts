/** Real Prometheus scrapes services under the agent; every query of the dashboard returns figures, and promtool accepts the alerts. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPeer, type Peer } from '../../agent/peer.js';
import { send, startApp, type App } from '../../agent/run-app.js';
import { eventually } from '@lane/testing/eventually';
import { freePort } from '@lane/testing/ports';
import { dataFolder, programOf, startService, type Service } from '../../servers/process.js';

const DASHBOARDS = join(__dirname, '../../../dashboards');

interface Dashboard {
  readonly panels: ReadonlyArray<{ readonly title: string; readonly targets: ReadonlyArray<{ readonly expr: string }> }>;
}
const { panels } = JSON.parse(readFileSync(join(DASHBOARDS, 'lane.json'), 'utf8')) as Dashboard;
const queries = panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const));

let peers: readonly [base: Peer, gray: Peer];
let app: App;
let prometheus: Service;
let traffic: NodeJS.Timeout;

beforeAll(async () => {
  peers = await Promise.all([startPeer('base'), startPeer('gray')]);
  const [base, gray] = peers;
  const [adminPort, port] = [await freePort(), await freePort()];
  app = await startApp({
    script: 'echo.cjs',
    preload: ['known-instances.cjs'],
    env: {
      KNOWN: JSON.stringify([{ name: 'shop-b', instances: [{ port: base.port }, { port: gray.port, metadata: { lane: 'gray' } }] }]),
      LANE_SERVICE: 'shop-a',
      LANE_SERVICES: 'shop-b',
      LANE_ADMIN_PORT: String(adminPort),
    },
  });
  const folder = dataFolder('prometheus');
  writeFileSync(
    join(folder, 'prometheus.yml'),
    `global: { scrape_interval: 1s }\nscrape_configs:\n  - job_name: lane\n    static_configs: [{ targets: ['127.0.0.1:${adminPort}'] }]\n`,
  );
  prometheus = await startService(
    programOf('prometheus', ['/usr/bin/prometheus']),
    [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`],
    /Server is ready to receive web requests/,
    port,
    folder,
  );
  const url = (target: string): string => `/?ways=http&url=${encodeURIComponent(target)}`;
  traffic = setInterval(() => {
    void send(app.port, url('http://shop-b/')).catch(() => {});
    void send(app.port, url('http://shop-b/'), { baggage: 'lane=blue' }).catch(() => {});
    void send(app.port, url(`http://127.0.0.1:${base.port}/`), { baggage: 'lane=gray' }).catch(() => {});
  }, 200);
});
afterAll(async () => {
  clearInterval(traffic);
  await Promise.all([app?.stop(), prometheus?.stop(), ...(peers ?? []).map((peer) => peer.close())]);
});

describe('each query of the dashboard returns figures', () => {
  test.each(queries)('%s: %s', async (_, expression) => {
    const query = expression.replaceAll('$service', 'shop-a').replaceAll('$tag', '.*').replaceAll('$__rate_interval', '10s');
    await eventually(
      async () => {
        const response = await fetch(`http://127.0.0.1:${prometheus.port}/api/v1/query?query=${encodeURIComponent(query)}`);
        const { status, data } = (await response.json()) as { status: string; data: { result: ReadonlyArray<{ value: [number, string] }> } };
        expect(status).toBe('success');
        expect(data.result.length).toBeGreaterThan(0);
        for (const { value } of data.result) expect(Number(value[1])).not.toBeNaN();
      },
      { timeoutMs: 90_000 },
    );
  });
});

test("promtool accepts the guide's scrape configurations", () => {
  const guide = readFileSync(join(__dirname, '../../../docs/guides/monitoring.md'), 'utf8');
  const shown = [...guide.matchAll(/^```yaml\n([^]*?)^```/gm)].map(([, text]) => text as string);
  expect(shown).toHaveLength(2);
  for (const [index, text] of shown.entries()) {
    const file = join(dataFolder('scraping'), `prometheus-${index}.yml`);
    // Debian's Prometheus is built without Kubernetes.
    writeFileSync(file, text.replace(/kubernetes_sd_configs:\n *- role: pod/, "static_configs: [{ targets: ['127.0.0.1:1'] }]"));
    expect(execFileSync(programOf('prometheus', ['/usr/bin/promtool']), ['check', 'config', file]).toString()).toContain(
      'is valid prometheus config',
    );
  }
});

test('promtool accepts the alerts', () => {
  const output = execFileSync(programOf('prometheus', ['/usr/bin/promtool']), ['check', 'rules', join(DASHBOARDS, 'alerts.yaml')]).toString();
  expect(output).toMatch(/6 rules found/);
});

test('promtool: a lane that has lost its instances raises an alert when it falls back, an intentionally partial one does not', () => {
  const file = join(dataFolder('fallback'), 'alerts.test.yaml');
  const calls = (route: string, values: string): object => ({
    series: `lane_calls_total{service="shop",peer="stock",tag="gray",route="${route}"}`,
    values,
  });
  const test = (input_series: object[], exp_alerts: object[]): object => ({
    interval: '1m',
    input_series,
    alert_rule_test: [{ eval_time: '40m', alertname: 'LaneFallsBack', exp_alerts }],
  });
  const fires = {
    exp_labels: { service: 'shop', peer: 'stock', tag: 'gray', severity: 'warning' },
    exp_annotations: { summary: 'Calls of lane gray to stock fall back to base: the lane has no instances left there' },
  };
  const tests = [
    test([calls('lane', '0+60x10 600x40'), calls('fallback', '0x10 0+60x40')], [fires]),
    test([calls('fallback', '0+60x50')], []),
    test([calls('lane', '0+60x50'), calls('fallback', '0x50')], []),
  ];
  writeFileSync(file, JSON.stringify({ rule_files: [join(DASHBOARDS, 'alerts.yaml')], evaluation_interval: '1m', tests }));
  expect(execFileSync(programOf('prometheus', ['/usr/bin/promtool']), ['test', 'rules', file]).toString()).toMatch(/SUCCESS/);
});

test('promtool: a forgetful registry, and instances that refuse connections, raise their alerts', () => {
  const file = join(dataFolder('alerts'), 'alerts.test.yaml');
  const alertAt = (alertname: string, exp_alerts: object[]): object => ({ eval_time: '5m', alertname, exp_alerts });
  const firing = (summary: string): object => ({ exp_labels: { peer: 'stock', severity: 'warning' }, exp_annotations: { summary } });
  const seriesOf = (values: (metric: string) => string): object[] =>
    ['lane_instances_in_doubt', 'lane_instances_left_alone'].map((metric) => ({
      series: `${metric}{service="shop",peer="stock"}`,
      values: values(metric),
    }));
  const test = (values: string, forgets: object[], refuse: object[]): object => ({
    interval: '15s',
    input_series: seriesOf(() => values),
    alert_rule_test: [alertAt('LaneRegistryForgets', forgets), alertAt('LaneInstancesRefuse', refuse)],
  });
  const tests = [
    test(
      '0 2x40',
      [firing('The registry dropped instances of stock in bulk and may have lost them; they stay in use for now')],
      [firing('Instances of stock refuse connections but are still registered')],
    ),
    test('0x40', [], []),
  ];
  writeFileSync(file, JSON.stringify({ rule_files: [join(DASHBOARDS, 'alerts.yaml')], evaluation_interval: '15s', tests }));
  const output = execFileSync(programOf('prometheus', ['/usr/bin/promtool']), ['test', 'rules', file]).toString();
  expect(output).toMatch(/SUCCESS/);
});
