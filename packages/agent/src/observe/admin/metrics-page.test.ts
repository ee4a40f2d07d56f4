/** The page of metrics in the documents is written from what `/metrics` answers: `npm run docs -- --write`. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TrafficCounters, type StatusReport } from '@lane/core/agent';
import type { Tag } from '@lane/core/model';
import type { TrafficRecorder } from '../traffic/recorder.js';
import { metricsText } from './metrics.js';

/** Has one of everything that `/metrics` tells of. */
function text(): string {
  const counters = new TrafficCounters({ knows: () => true });
  counters.request('gray' as Tag, 'inbound', false, 0.02);
  counters.call('pay', 'gray' as Tag, 'lane');
  const status = {
    version: '',
    node: '',
    service: 'shop',
    tag: 'gray',
    ready: true,
    uptimeSeconds: 1,
    laneGroups: { groups: 1, problems: [] },
    registry: { reachable: true },
    services: [{ service: 'pay', instances: [] }],
    instrumentations: [{ name: 'http-client', state: 'on', failures: 0 }],
    tags: { malformed: 0, disagreeing: 0 },
  } as unknown as StatusReport;
  return metricsText(status, { counters, inFlight: 0 } as unknown as TrafficRecorder);
}

test('docs/reference/metrics.md matches the metrics of the agent', async () => {
  const answer = text();
  const rows = [...answer.matchAll(/^# HELP (\w+) (.+)\n# TYPE \1 (\w+)$/gm)].map(([, name, help, type]) => {
    const samples = [...answer.matchAll(new RegExp(`^${name}(?:_bucket|_sum|_count)?\\{(.*)\\} `, 'gm'))];
    expect(samples, `a sample of ${name}`).not.toEqual([]);
    const labels = samples.flatMap(([, shown]) => [...(shown as string).matchAll(/(\w+)="/g)].map(([, label]) => label as string));
    const further = [...new Set(labels)].filter((label) => label !== 'service' && label !== 'le');
    return `| \`${name}\` | ${type} | ${further.map((label) => `\`${label}\``).join(', ')} | ${help} |`;
  });
  expect(rows.length).toBeGreaterThan(15);
  await expect(`# Metrics

<!-- Written by \`npm run docs -- --write\` from what the agent answers. -->

\`GET /metrics\` of the [admin port](../guides/monitoring.md) answers in Prometheus' text format. Every sample has the label \`service\`. Untagged requests have the
\`tag\` \`base\`.

| metric | type | further labels | meaning |
| --- | --- | --- | --- |
${rows.join('\n')}

[Routes and sources](../guides/monitoring.md) as values of labels · [dashboard and alerts](../../dashboards)
`).toMatchFileSnapshot(join(__dirname, '../../../../../docs/reference/metrics.md'));
});
