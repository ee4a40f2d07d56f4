/** Exports that go on: what is refused at the start, and what is said. Real gateways follow them in test/interop/entries. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLEAN, eventually, freePort, temporaryFolder } from '@lane/testing';
import { LANE, runLane } from '@lane/testing/programs';
import { expect, onTestFinished, test } from 'vitest';

const RULES = JSON.stringify({
  version: 1,
  groups: [
    {
      name: 'shop',
      services: ['a'],
      entry: { services: ['lane-gateway'] },
      lanes: [{ name: 'gray', tag: 'gray', rules: [{ name: 'by-host', match: { host: { exact: 'www.example.com' } } }] }],
    },
  ],
});

function rulesFile(): { folder: string; rules: string } {
  const folder = temporaryFolder();
  const rules = join(folder, 'rules.json');
  writeFileSync(rules, RULES);
  return { folder, rules };
}

/** Addresses are given, so that no registry is asked. */
const GIVEN = ['--upstream', 'a=127.0.0.1:1', '--upstream', 'a:gray=127.0.0.1:2'];

test.each<[what: string, args: string[], message: RegExp]>([
  ['--watch without a file', ['export', 'nginx', '--watch'], /--watch needs a file to write: give --output FILE/],
  ['--reload without --watch', ['export', 'nginx', '--reload', 'true'], /--reload requires --watch/],
  ['--check without --watch', ['export', 'nginx', '--check', 'true'], /--check requires --watch/],
  ['--json with --watch', ['export', 'nginx', '--watch', '-o', 'x', '--json'], /leave out --watch/],
  ['rules from standard input', ['export', 'nginx', '--watch', '-o', 'x', '--rules', '-'], /--rules reloads its file/],
  ['an address of Envoys that is none', ['xds', '--bootstrap', '--address', 'http://x'], /Must be host:port/],
])('%s is refused, with what to do', async (_what, args, message) => {
  const { code, stderr } = await runLane(['gateway', ...args]);
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});

test('--output writes a file atomically, and nothing to standard output', async () => {
  const { folder, rules } = rulesFile();
  const path = join(folder, 'lane.conf');
  expect(await runLane(['gateway', 'export', 'haproxy', '--rules', rules, ...GIVEN, '-o', path])).toMatchObject({ code: 0, stdout: '' });
  expect(readFileSync(path, 'utf8')).toContain('127.0.0.1:2');
});

test('--watch writes, runs the given commands with the file in $LANE_FILE, follows the rules, and shuts down gracefully', async () => {
  const { folder, rules } = rulesFile();
  const path = join(folder, 'lane.conf');
  const reload = `echo "read $LANE_FILE" >> ${join(folder, 'log')}`;
  const args = ['gateway', 'export', 'nginx', '--rules', rules, ...GIVEN, '--watch', '-o', path, '--check', 'true', '--reload', reload];
  const child = spawn(process.execPath, [LANE, ...args], { env: CLEAN, stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await eventually(() => expect(said).toMatch(/lane\.conf: written, and loaded by the gateway after \d+ ms\n {2}rule shop\/gray\/by-host added/));
  writeFileSync(rules, RULES.replace('www.example.com', 'new.example.com'));
  await eventually(() => expect(said).toContain('  rule shop/gray/by-host changed\n'));
  expect(readFileSync(path, 'utf8')).toContain('new');
  expect(readFileSync(join(folder, 'log'), 'utf8')).toBe(`read ${path}\n`.repeat(2));
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('while the registry knows no instances yet, --watch leaves an old file alone, and says so', async () => {
  const { folder, rules } = rulesFile();
  const path = join(folder, 'lane.conf');
  writeFileSync(path, 'old');
  const { startEmbeddedNacos } = await import('@lane/embedded-nacos');
  const nacos = await startEmbeddedNacos({ port: 0 });
  onTestFinished(() => nacos.close());
  const args = [
    'gateway',
    'export',
    'nginx',
    '--nacos',
    nacos.address,
    '--rules',
    rules,
    '--watch',
    '-o',
    path,
    '--check',
    'true',
    '--reload',
    'true',
  ];
  const child = spawn(process.execPath, [LANE, ...args], { env: CLEAN, stdio: ['ignore', 'ignore', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await eventually(() => expect(said).toMatch(/stays unchanged for a while, or until every service has an instance/));
  expect(readFileSync(path, 'utf8')).toBe('old');
});

test('xds prints its address, and exits with one line if the port is in use', async () => {
  const { rules } = rulesFile();
  const port = await freePort();
  const args = ['gateway', 'xds', '--rules', rules, ...GIVEN, '--port', String(port), '--json'];
  const child = spawn(process.execPath, [LANE, ...args], { env: CLEAN, stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  expect(JSON.parse(line.toString())).toEqual({ url: `http://127.0.0.1:${port}`, port });
  const { code, stderr } = await runLane(args);
  expect([code, stderr]).toEqual([1, expect.stringContaining(`port ${port} of 127.0.0.1 is in use`) as unknown]);
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('each bootstrap has a unique node id and the given address', async () => {
  const given = ['gateway', 'xds', '--bootstrap', '--json', '--address', '[fd00::1]:9000', '--listen', '8080'];
  const [one, other] = await Promise.all([runLane(given), runLane(given)]);
  const nodes = [one, other].map(({ stdout }) => (JSON.parse(stdout) as { node: { id: string } }).node.id);
  expect(nodes[0]).not.toBe(nodes[1]);
  expect(one.stdout).toMatch(/"address": "fd00::1",\s*"port_value": 9000/);
});
