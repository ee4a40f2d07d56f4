/** A client that writes endlessly is refused before the memory is full; existing entries stay, and freed room can be used again. */
import { expect, test } from 'vitest';
import { ConfigStore } from './config-store.js';
import { NamingStore, type InstanceInput } from './naming-store.js';

const HALF_MEGABYTE = 'x'.repeat(512 * 1024);
const by = { type: 'text', appName: '', casMd5: undefined, srcIp: '127.0.0.1', srcUser: '' };

test('documents', () => {
  const store = new ConfigStore(() => {});
  const key = (n: number): { tenant: string; group: string; dataId: string } => ({ tenant: '', group: 'g', dataId: `d${n}` });
  let written = 0;
  const fill = (): void => {
    for (;;) store.publish(key(written++), HALF_MEGABYTE, by);
  };
  expect(fill).toThrow(/has no room for more documents/);
  expect(written).toBeGreaterThan(200);
  expect(written).toBeLessThan(300);
  expect(store.get(key(written - 1))).toBeUndefined();
  expect(store.get(key(0))?.content).toBe(HALF_MEGABYTE);
  // Another text of the same length takes no more room.
  expect(store.publish(key(1), HALF_MEGABYTE.replace('x', 'y'), by)).toBe(true);
  store.remove(key(0), '', '');
  expect(store.publish(key(0), HALF_MEGABYTE, by)).toBe(true);
});

test('instances, their settings, and services', () => {
  let nowMs = 0;
  const store = new NamingStore(
    () => {},
    () => nowMs,
  );
  const input = (port: number): InstanceInput => ({
    ip: '10.0.0.1',
    port,
    cluster: 'DEFAULT',
    ephemeral: true,
    weight: 1,
    enabled: true,
    healthy: true,
    metadata: { note: HALF_MEGABYTE },
  });
  const id = { namespace: 'public', group: 'g', name: 's' };
  let registered = 0;
  const fill = (): void => {
    for (;;) store.register(id, input(registered++));
  };
  expect(fill).toThrow(/has no room for more instances/);
  expect(registered).toBeGreaterThan(200);
  expect(registered).toBeLessThan(300);
  expect(store.list(id)).toHaveLength(registered - 1);
  expect(() => store.update(id, input(1))).toThrow(/no room/);
  // One that registers again, as after a restart, takes no more room.
  store.register(id, input(1));
  store.deregister(id, '10.0.0.1', 1, true);
  store.update(id, input(1));
  expect(() => store.register(id, input(1))).toThrow(/no room/);

  // Once beats stop, all of it is removed.
  nowMs += 31_000;
  store.expire();
  nowMs += 61_000;
  store.expire();
  const create = (): void => {
    for (let n = 0; ; n++) store.create({ ...id, name: `s${n}` });
  };
  expect(create).toThrow(/no room/);
  expect(store.serviceCount).toBeGreaterThan(100_000);
});
