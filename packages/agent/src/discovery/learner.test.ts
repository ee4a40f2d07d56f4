import { expect, onTestFinished, test, vi } from 'vitest';
import { DEFAULT_FORMATS, ServiceTables, type Instance, type InstanceListener, type SnapshotStore } from '@lane/core/model';
import { instanceAt, RecordingLog } from '@lane/testing';
import { Learner, LEARN_TIMEOUT_MS } from './learner.js';

const KEY = { name: 'stock', group: 'DEFAULT_GROUP' };
const list = [1, 2, 3, 4].map((port) => instanceAt(port));

/** A learner to which more than two instances are very many, and whose slices come when told. */
function learning(): {
  learner: Learner;
  tables: ServiceTables;
  slices: Array<() => void>;
  saved: unknown[];
  tell: InstanceListener;
  log: RecordingLog;
} {
  const slices: Array<() => void> = [];
  const saved: unknown[] = [];
  const tables = new ServiceTables({
    formats: DEFAULT_FORMATS,
    slicing: { atOnce: 2, pieces: 3, holdMs: 0 },
    clock: { nowMs: () => 0, after: (_, work) => (slices.push(work), () => {}) },
  });
  let listener: InstanceListener = () => {};
  const snapshots = { load: () => undefined, save: (_: unknown, instances: unknown) => saved.push(instances) } as unknown as SnapshotStore;
  const log = Object.assign(new RecordingLog(), { once: (_: string, __: string, message: string) => void log.lines.push(message) });
  const observe = (_: unknown, told: InstanceListener): (() => void) => ((listener = told), () => {});
  const learner = new Learner({ observe, snapshots, state: undefined, defaultGroup: 'DEFAULT_GROUP' }, tables, log);
  return { learner, tables, slices, saved, tell: (instances) => listener(instances), log };
}

test('a first call waits until a list of very many instances is in use, not only received', async () => {
  const { learner, tables, slices, saved, tell } = learning();
  const pending = learner.learn(KEY);
  let isKnown = false;
  void pending?.then(() => (isKnown = true));
  tell(list);
  // Who calls meanwhile waits, too.
  expect(learner.learn(KEY)).toBe(pending);
  for (; slices.length > 0; slices.shift()?.()) {
    await Promise.resolve();
    expect([isKnown, tables.get(KEY), saved]).toEqual([false, undefined, []]);
  }
  await pending;
  expect(tables.get(KEY)?.instances).toBe(list);
  expect(saved).toEqual([list]);
  expect(learner.learn(KEY)).toBe(undefined);
});

test('a received list is applied at once if a call has waited long enough for it', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { learner, tables, log, tell } = learning();
  const pending = learner.learn(KEY);
  tell(list);
  vi.advanceTimersByTime(LEARN_TIMEOUT_MS);
  await pending;
  expect(tables.get(KEY)?.instances).toBe(list);
  expect(log.lines).toEqual([]);
});

test('a first call also waits for a registry that answers before observe() returns, if it has very many instances', async () => {
  const slices: Array<() => void> = [];
  const tables = new ServiceTables({
    formats: DEFAULT_FORMATS,
    slicing: { atOnce: 2, pieces: 3, holdMs: 0 },
    clock: { nowMs: () => 0, after: (_, work) => (slices.push(work), () => {}) },
  });
  const of = (told: readonly Instance[]): Learner =>
    new Learner(
      { observe: (_, listener) => (listener(told), () => {}), state: undefined, defaultGroup: 'DEFAULT_GROUP' },
      tables,
      Object.assign(new RecordingLog(), { once: () => {} }),
    );
  expect(of([instanceAt(1)]).learn({ ...KEY, name: 'short' })).toBe(undefined);
  const pending = of(list).learn(KEY);
  expect(pending).toBeInstanceOf(Promise);
  while (slices.length > 0) slices.shift()?.();
  await pending;
  expect(tables.get(KEY)?.instances).toBe(list);
});
