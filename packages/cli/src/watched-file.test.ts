/** A file, and the commands of the gateway that reads it. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { closing, eventually, temporaryFolder } from '@lane/testing';
import { expect, test } from 'vitest';
import { WatchedFile, type Applied, type WatchedFileOptions } from './watched-file.js';

/** A gateway that accepts what has no "bad" in it, and notes what it has read. */
function rig(more: Partial<WatchedFileOptions> = {}): {
  path: string;
  folder: string;
  file: WatchedFile;
  read: () => string[];
  apply: (text: string) => Promise<Applied>;
} {
  const folder = temporaryFolder();
  const path = join(folder, 'lane conf');
  const log = join(folder, 'read');
  const check = 'if grep -q bad "$LANE_FILE"; then echo "there is bad in it" >&2; exit 1; fi';
  const reload = `cat "$LANE_FILE" >> '${log}'; echo >> '${log}'`;
  const file = closing(new WatchedFile({ path, check, reload, ...more }));
  return {
    path,
    folder,
    file,
    read: () => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').filter(Boolean) : []),
    apply: (text) => new Promise((resolve) => file.apply(text, resolve)),
  };
}

test('a text is written, checked, and loaded by the gateway', async () => {
  const { path, apply, read, folder } = rig();
  expect(await apply('one')).toMatchObject({ outcome: 'written' });
  expect([readFileSync(path, 'utf8'), read()]).toEqual(['one', ['one']]);
  expect(readdirSync(folder).sort()).toEqual(['lane conf', 'read']);
});

test('an unchanged text is neither written nor loaded again', async () => {
  const { path, apply, read } = rig();
  writeFileSync(path, 'one');
  expect(await apply('one')).toEqual({ outcome: 'unchanged' });
  expect(read()).toEqual([]);
});

test('a text that the gateway rejects is replaced by the old one, or removed', async () => {
  const { path, apply, read } = rig();
  const refused = { outcome: 'refused', problem: expect.stringMatching(/failed \(1\): there is bad in it$/) as unknown };
  expect(await apply('bad')).toEqual(refused);
  expect(existsSync(path)).toBe(false);
  await apply('one');
  expect(await apply('bad')).toEqual(refused);
  expect([readFileSync(path, 'utf8'), read()]).toEqual(['one', ['one']]);
});

test('of several texts that come during an update, only the last is written', async () => {
  const { path, file, read } = rig();
  const applied: string[] = [];
  for (const text of ['one', 'two', 'three', 'four']) file.apply(text, () => applied.push(text));
  await eventually(() => expect(applied).toEqual(['one', 'four']));
  expect([readFileSync(path, 'utf8'), read()]).toEqual(['four', ['one', 'four']]);
});

test('a failed reload is retried', async () => {
  const folder = temporaryFolder();
  const { apply, file, path } = rig({ reload: `test -e '${folder}/up' && touch '${folder}/reloaded'` });
  const outcomes: string[] = [];
  file.apply('one', ({ outcome }) => {
    outcomes.push(outcome);
    writeFileSync(join(folder, 'up'), '');
  });
  await eventually(() => expect(outcomes).toEqual(['not-reloaded', 'written']));
  expect(existsSync(join(folder, 'reloaded'))).toBe(true);
  expect(readFileSync(path, 'utf8')).toBe('one');
  expect(await apply('one')).toEqual({ outcome: 'unchanged' });
});

test('a link stays a link, and its target keeps its mode', async () => {
  const { path, apply, folder } = rig();
  mkdirSync(join(folder, 'real'));
  const real = join(folder, 'real', 'lane.conf');
  writeFileSync(real, 'old');
  chmodSync(real, 0o640);
  symlinkSync(real, path);
  await apply('new');
  expect([realpathSync(path), readFileSync(real, 'utf8'), statSync(real).mode & 0o777]).toEqual([realpathSync(real), 'new', 0o640]);
});

test('an unwritable folder is reported, and no file is left behind', async () => {
  const { apply } = rig({ path: join(temporaryFolder(), 'no', 'such', 'folder', 'lane.conf') });
  expect(await apply('one')).toMatchObject({ outcome: 'refused', problem: expect.stringContaining('ENOENT') as unknown });
});
