import { expect, test } from 'vitest';
import { DEFAULT_FORMATS } from '../wire/formats.js';
import { DoubtLog } from './doubt-log.js';
import type { Instance } from './instance.js';
import { ServiceTables } from './service-tables.js';

const instanceAt = (port: number, tag?: string): Instance => ({
  ip: '10.0.0.1',
  port,
  weight: 1,
  healthy: true,
  enabled: true,
  metadata: tag === undefined ? {} : { lane: tag },
});

test('logs one line when a registry starts to forget and one when it is over, for any number of services', () => {
  let alarms: Array<() => void> = [];
  const clock = {
    nowMs: () => 0,
    after: (_: number, work: () => void) => {
      alarms.push(work);
      return () => (alarms = alarms.filter((alarm) => alarm !== work));
    },
  };
  const ring = (): void => {
    for (const alarm of alarms.splice(0, 1)) alarm();
  };
  const lines: string[] = [];
  const note =
    (level: string) =>
    (message: string): void =>
      void lines.push(`${level}: ${message}`);
  const log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
  const doubts = new DoubtLog(log, () => 40_000, clock);
  const tables = new ServiceTables({
    formats: DEFAULT_FORMATS,
    holdMs: () => 40_000,
    onDoubt: (doubted) => doubts.note(doubted),
    // Of its own: no doubt ends here.
    clock: { nowMs: () => 0, after: () => () => {} },
  });
  const services = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, group: 'DEFAULT_GROUP' }));
  const instances = [instanceAt(1), instanceAt(2), instanceAt(3, 'gray')];
  for (const key of services) tables.update(key, instances);
  for (const key of services) tables.update(key, []);
  expect(lines).toEqual([]);
  ring();
  expect(lines).toEqual([
    'warn: the registry dropped many instances at once: 3 of 3 of a, 3 of 3 of b, 3 of 3 of c, and of 2 other services. ' +
      'It may have lost them: they stay in use until it has omitted them for 40 s, or until they refuse connections',
  ]);
  for (const key of services) tables.update(key, instances);
  ring();
  expect(lines.slice(1)).toEqual([
    'info: the registry lists all instances in use again: 3 instances of a, 3 instances of b, 3 instances of c, and of 2 other services',
  ]);
});
