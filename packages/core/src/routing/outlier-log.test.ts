import { expect, test } from 'vitest';
import { OutlierLog } from './outlier-log.js';
import type { Ejection } from './service-tables.js';

test('logs at most one line per second for ejected instances and why, and one for those that are back; each names at most three', () => {
  const alarms: Array<() => void> = [];
  const lines: string[] = [];
  const note =
    (level: string) =>
    (message: string): void =>
      void lines.push(`${level}: ${message}`);
  const outliers = new OutlierLog(
    { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') },
    { nowMs: () => 0, after: (_, work) => (alarms.push(work), () => {}) },
  );
  const ring = (): void => alarms.splice(0).forEach((alarm) => alarm());
  const ejection: Ejection = {
    kind: 'ejected',
    key: { name: 'stock', group: 'DEFAULT_GROUP' },
    ip: '10.0.0.1',
    port: 80,
    tag: 'gray',
    status: 503,
    forMs: 30_000,
    failures: 6,
    others: { good: 11.4, bad: 0.5 },
  };
  outliers.note(ejection);
  outliers.note({ ...ejection, ip: '::1', tag: undefined, failures: 1, forMs: 60_000, status: 500 });
  outliers.note({ ...ejection, kind: 'back', port: 81 });
  expect(lines).toEqual([]);
  ring();
  expect(lines).toEqual([
    'warn: ejected for server errors, while others in the lane answer: stock at 10.0.0.1:80 (lane gray) for 30 s (6 in a row, 503 the last; others: 1 of 12), ' +
      'stock at [::1]:80 (base) for 60 s (500 on probation; others: 1 of 12)',
    'info: answers again and gets its share of calls: stock at 10.0.0.1:81 (lane gray)',
  ]);

  lines.length = 0;
  for (let port = 1; port <= 10; port++) outliers.note({ ...ejection, kind: 'back', port });
  ring();
  expect(lines).toEqual([expect.stringMatching(/10\.0\.0\.1:1 .* 10\.0\.0\.1:3 \(lane gray\), and 7 more$/)]);
});
