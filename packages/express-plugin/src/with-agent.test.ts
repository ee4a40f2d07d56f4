/** The plugin under the agent, which decides before the plugin sees a request. The agent is loaded as users load it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { AGENT } from '@lane/testing/programs';
import { expect, test } from 'vitest';

const folder = join(__dirname, '..');

const APP = `
  const http = require('node:http');
  const { currentLane } = require('@lane/core');
  const { lane } = require('./dist/index.js');
  const express = require(process.argv[1]);
  const rules = { version: 1, groups: [{ name: 'shop', services: ['a'], entry: { services: ['a'] }, lanes: [{ name: 'plugin', tag: 'plugin', rules: [{ name: 'all', percent: 100 }] }] }] };
  const peer = http.createServer((request, response) => response.end(request.headers.baggage)).listen(0, '127.0.0.1', () => {
    const app = express().use(lane({ service: 'a', rules })).post('/', (request, response) => {
      request.resume().on('end', async () => {
        const late = currentLane() ?? null;
        const heard = await (await fetch('http://127.0.0.1:' + peer.address().port)).text();
        response.json({ decided: request.lane, late, heard });
      });
    });
    const server = app.listen(0, '127.0.0.1', () => process.send(server.address().port));
  });
  process.on('disconnect', () => process.exit());`;

async function withApp(express: string, args: string[], env: Record<string, string>, work: (url: string) => Promise<void>): Promise<string> {
  const child = spawn(process.execPath, [...args, '-e', APP, express], {
    cwd: folder,
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  let stderr = '';
  child.stderr?.on('data', (chunk) => (stderr += String(chunk)));
  const closed = once(child, 'close');
  try {
    const [port] = (await Promise.race([once(child, 'message'), closed.then(() => [undefined])])) as [number | undefined];
    if (port === undefined) throw new Error(`the app ended before it served: ${stderr}`);
    await work(`http://127.0.0.1:${port}`);
  } finally {
    child.kill('SIGKILL');
    await closed;
  }
  return stderr;
}

async function ask(url: string, tag?: string): Promise<unknown> {
  return (await fetch(url, { method: 'POST', body: 'x', ...(tag === undefined ? {} : { headers: { baggage: `lane=${tag}` } }) })).json();
}

const inbound = { decided: { tag: 'gray', source: 'inbound' }, late: 'gray' };

test.each(['express4', 'express'])("%s: uses the agent's decision unchanged, and does not apply rules again", async (express) => {
  const stderr = await withApp(express, ['--require', AGENT], { LANE_RULES: 'none' }, async (url) => {
    expect(await ask(url, 'gray')).toEqual({ ...inbound, heard: 'lane=gray' });
    expect(await ask(url)).toEqual({ decided: { source: 'none' }, late: null, heard: '' });
  });
  expect(stderr).toContain('the rules given to lane() are not applied');

  await withApp(express, ['--require', AGENT], { LANE_RULES: 'none', LANE_TAG: 'own', LANE_STAMP: 'true' }, async (url) => {
    expect(await ask(url)).toEqual({ decided: { tag: 'own', source: 'stamp' }, late: 'own', heard: 'lane=own' });
  });
});

test.each(['express4', 'express'])('%s: without the agent the app decides itself, and its calls carry no tag automatically', async (express) => {
  const stderr = await withApp(express, [], {}, async (url) => {
    expect(await ask(url, 'gray')).toEqual({ ...inbound, heard: '' });
    expect(await ask(url)).toEqual({ decided: { tag: 'plugin', source: 'rule', rule: 'shop/plugin/all' }, late: 'plugin', heard: '' });
  });
  expect(stderr).toBe('');
});
