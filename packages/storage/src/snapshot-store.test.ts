import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Instance } from '@lane/core/model';
import { createSnapshotStore, defaultSnapshotDirectory } from './snapshot-store.js';
import { instanceAt, RecordingLog, temporaryFolder } from '@lane/testing';

const KEY = { group: 'DEFAULT_GROUP', name: 'orders' };

const instance = (port: number): Instance => instanceAt(port, 'gray');

/** All files below a folder. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe('snapshots', () => {
  test('are found by a later process', async () => {
    const options = { directory: join(temporaryFolder(), 'lane'), namespace: 'public' };
    const first = createSnapshotStore(options);
    first.save(KEY, [instance(1), instance(2)]);
    first.saveDocument('lane-groups', '{"version":1}');
    await first.flush();

    const second = createSnapshotStore(options);
    expect(second.load(KEY)).toEqual([instance(1), instance(2)]);
    expect(second.loadDocument('lane-groups')).toBe('{"version":1}');
    expect(second.load({ ...KEY, group: 'OTHER' })).toBeUndefined();
  });

  test('of very many instances are serialized in parts, and read back completely', async () => {
    const options = { directory: join(temporaryFolder(), 'lane'), namespace: 'public' };
    const all = Array.from({ length: 1_234 }, (_, i) => instance(i + 1));
    const store = createSnapshotStore(options);
    const longest = vi.spyOn(JSON, 'stringify');
    onTestFinished(() => longest.mockRestore());
    store.save(KEY, all);
    await store.flush();
    const lengths = longest.mock.results.map(({ value }) => (value as string).length);
    expect(lengths.length).toBeGreaterThan(2);
    expect(Math.max(...lengths)).toBeLessThan(JSON.stringify(all).length / 2);
    expect(createSnapshotStore(options).load(KEY)).toEqual(all);
  });

  test('omit what a process has found out by itself: the next one starts fresh', async () => {
    const options = { directory: temporaryFolder(), namespace: 'public' };
    const store = createSnapshotStore(options);
    const down = { ...instance(4), healthy: false };
    store.save(KEY, [
      { ...instance(1), healthy: false, ejected: true },
      { ...instance(2), healthy: false, refused: true },
      { ...instance(3), probed: true },
      down,
    ]);
    await store.flush();
    expect(createSnapshotStore(options).load(KEY)).toEqual([instance(1), instance(2), instance(3), down]);
  });

  test('are kept apart by namespace and server', async () => {
    const directory = temporaryFolder();
    const store = createSnapshotStore({ directory, namespace: 'public', server: 'a:8848' });
    store.save(KEY, [instance(1)]);
    await store.flush();
    expect(createSnapshotStore({ directory, namespace: 'public', server: 'b:8848' }).load(KEY)).toBeUndefined();
    expect(createSnapshotStore({ directory, namespace: 'other', server: 'a:8848' }).load(KEY)).toBeUndefined();
  });

  test('contain the last of several saves, and a removed document as none', async () => {
    const options = { directory: temporaryFolder(), namespace: 'public' };
    const store = createSnapshotStore(options);
    for (let port = 1; port <= 50; port++) store.save(KEY, [instance(port)]);
    store.saveDocument('lane-groups', '{}');
    store.saveDocument('lane-groups', undefined);
    await store.flush();
    expect(createSnapshotStore(options).load(KEY)).toEqual([instance(50)]);
    expect(createSnapshotStore(options).loadDocument('lane-groups')).toBeUndefined();
    expect(filesIn(options.directory).filter((file) => !file.endsWith('.json'))).toEqual([]);
  });

  test.skipIf(process.platform === 'win32')('are for this user only', async () => {
    const directory = join(temporaryFolder(), 'lane');
    const store = createSnapshotStore({ directory, namespace: 'public' });
    store.save(KEY, [instance(1)]);
    await store.flush();
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(filesIn(directory).map((file) => statSync(file).mode & 0o777)).toEqual([0o600]);
  });

  test.each(['..', '../../etc', 'a/b', '名前', 'x'.repeat(500), '\ud800'])('any name is a safe file name: %s', async (name) => {
    const folder = temporaryFolder();
    const options = { directory: join(folder, 'lane'), namespace: name };
    const store = createSnapshotStore(options);
    store.save({ group: name, name }, [instance(1)]);
    await store.flush();
    expect(readdirSync(folder)).toEqual(['lane']);
    expect(filesIn(join(folder, 'lane'))).toHaveLength(1);
    expect(createSnapshotStore(options).load({ group: name, name })).toHaveLength(1);
  });
});

describe('snapshots that must not be used', () => {
  test('older than seven days', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    const options = { directory: temporaryFolder(), namespace: 'public' };
    const store = createSnapshotStore(options);
    const day = 24 * 60 * 60 * 1000;
    vi.setSystemTime(0);
    store.save(KEY, [instance(1)]);
    await store.flush();
    vi.setSystemTime(7 * day);
    expect(createSnapshotStore(options).load(KEY)).toHaveLength(1);
    vi.setSystemTime(7 * day + 1);
    expect(createSnapshotStore(options).load(KEY)).toBeUndefined();
  });

  test.each(['', '{"version":1,', 'null', '[]', '{"version":2}', '{"version":1,"subject":"DEFAULT_GROUP@@other","instances":[]}'])(
    'broken: %s',
    async (content) => {
      const log = new RecordingLog();
      const options = { directory: temporaryFolder(), namespace: 'public', log };
      const store = createSnapshotStore(options);
      store.save(KEY, [instance(1)]);
      await store.flush();
      const [file] = filesIn(options.directory);
      writeFileSync(file as string, content);
      expect(store.load(KEY)).toBeUndefined();
      expect(log.matching(/^error/)).toEqual([]);
    },
  );

  test('invalid instances in it', async () => {
    const options = { directory: temporaryFolder(), namespace: 'public' };
    const store = createSnapshotStore(options);
    store.save(KEY, [instance(1)]);
    await store.flush();
    const [file] = filesIn(options.directory);
    const snapshot = JSON.parse(readFileSync(file as string, 'utf8')) as { instances: unknown[] };
    writeFileSync(file as string, JSON.stringify({ ...snapshot, instances: [null, 1, { ip: '10.0.0.1' }, ...snapshot.instances] }));
    expect(store.load(KEY)).toEqual([instance(1)]);
  });

  test.skipIf(process.platform === 'win32')('in a directory that others may write to', async () => {
    const log = new RecordingLog();
    const options = { directory: temporaryFolder(), namespace: 'public', log };
    const store = createSnapshotStore(options);
    store.save(KEY, [instance(1)]);
    await store.flush();
    chmodSync(options.directory, 0o770);
    const later = createSnapshotStore(options);
    expect(later.load(KEY)).toBeUndefined();
    expect(log.lines).toEqual([expect.stringMatching(/^warn: no snapshots: .* is writable by other users: run chmod 700/)]);
    later.save(KEY, [instance(2)]);
    await later.flush();
    chmodSync(options.directory, 0o700);
    expect(createSnapshotStore(options).load(KEY)).toEqual([instance(1)]);
  });

  test.skipIf(process.platform === 'win32')('behind a link', async () => {
    const log = new RecordingLog();
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'real'), { mode: 0o700 });
    symlinkSync(join(folder, 'real'), join(folder, 'lane'));
    const store = createSnapshotStore({ directory: join(folder, 'lane'), namespace: 'public', log });
    store.save(KEY, [instance(1)]);
    await store.flush();
    expect(readdirSync(join(folder, 'real'))).toEqual([]);
    expect(log.matching(/is not a directory/)).toHaveLength(1);
  });
});

describe('if nothing can be written', () => {
  test.each([
    ['a debug line', false, /^debug: no snapshots/],
    ['where somebody has named the folder a warning with the remedy', true, /^warn: no snapshots: .* can't be written to: .* name a folder/],
  ])('one line, %s, and no more', async (_, isNamed, line) => {
    const log = new RecordingLog();
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'file'), '');
    const store = createSnapshotStore({ directory: join(folder, 'file', 'lane'), namespace: 'public', isNamed, log });
    for (let port = 1; port < 4; port++) {
      store.save(KEY, [instance(port)]);
      await store.flush();
    }
    expect(log.lines).toEqual([expect.stringMatching(line)]);
  });

  test('or read: one line for all services', () => {
    const log = new RecordingLog();
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'file'), '');
    const store = createSnapshotStore({ directory: join(folder, 'file', 'lane'), namespace: 'public', isNamed: true, log });
    for (const name of ['orders', 'stock']) expect(store.load({ ...KEY, name })).toBeUndefined();
    expect(log.lines).toEqual([expect.stringMatching(/^warn: no snapshots: .* can't be read/)]);
  });
});

test('the default directory belongs to this user', () => {
  expect(defaultSnapshotDirectory()).toBe(join(tmpdir(), `lane-${process.getuid?.() ?? 'user'}`));
});
