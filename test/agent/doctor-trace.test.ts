/** `lane doctor --trace` with small apps that lose lanes in typical ways: it reports each with the library and the remedy, on each Node. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { LANE } from '@lane/testing/programs';
import { CLEAN, runProgram, type Result } from '@lane/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { startPeer, type Peer } from './peer.js';

/** With spaces, as some people's paths have. */
const folder = mkdtempSync(join(tmpdir(), 'lane trace '));
let peer: Peer;

/** An app whose requests call the peer, in whatever way `handle` does: `(request, call) => promise`, `call` makes a call and returns its text. */
const app = (setup: string, handle: string): string => `
const http = require('node:http');
const { promisify } = require('node:util');
const call = (path, headers = {}, more = {}) =>
  new Promise((resolve, reject) => {
    http
      .get({ host: '127.0.0.1', port: process.env.PEER, path, headers, ...more }, (response) => {
        response.resume();
        response.on('end', resolve);
      })
      .on('error', reject);
  });
${setup}
http
  .createServer(async (request, response) => {
    await (${handle})(request);
    response.end('done');
  })
  .listen(0, '127.0.0.1');
`;

/** A callback-style queue: one task at a time; the end of one task starts the next. */
const QUEUE = `
class Queue {
  constructor() {
    this.tasks = [];
    this.isBusy = false;
  }
  push(task, done) {
    this.tasks.push({ task, done });
    if (!this.isBusy) this.next();
  }
  next() {
    const one = this.tasks.shift();
    this.isBusy = one !== undefined;
    if (one === undefined) return;
    one.task((error) => {
      one.done(error);
      this.next();
    });
  }
}
module.exports = { Queue };
`;

/** Polls its work with a timer that was started before any request. */
const POLLED = `
exports.createPolled = () => {
  const work = [];
  setInterval(() => work.splice(0).forEach((one) => one()), 5);
  return { later: (one) => work.push(one) };
};
`;

/** Requests the keys of 20 ms together. */
const BATCHER = `
module.exports = class Batcher {
  constructor(fetchAll) {
    this.fetchAll = fetchAll;
    this.waiting = undefined;
  }
  load(key) {
    if (this.waiting === undefined) {
      const waiting = (this.waiting = { keys: [], answer: undefined });
      waiting.answer = new Promise((resolve) => setTimeout(resolve, 20)).then(() => {
        this.waiting = undefined;
        return this.fetchAll(waiting.keys);
      });
    }
    this.waiting.keys.push(key);
    return this.waiting.answer;
  }
};
`;

const FILES: Readonly<Record<string, string>> = {
  'package.json': '{ "name": "shop", "version": "3.0.0" }',
  'node_modules/tiny-queue/package.json': '{ "name": "tiny-queue", "version": "1.2.3", "main": "lib/queue.js" }',
  'node_modules/tiny-queue/lib/queue.js': QUEUE,
  'node_modules/tiny-polled/package.json': '{ "name": "tiny-polled", "version": "0.1.0" }',
  'node_modules/tiny-polled/index.js': POLLED,
  'node_modules/tiny-batcher/package.json': '{ "name": "tiny-batcher", "version": "2.0.0" }',
  'node_modules/tiny-batcher/index.js': BATCHER,
  'right.js': app('', `() => Promise.all([call('/stock/17'), fetch('http://127.0.0.1:' + process.env.PEER + '/prices').then((it) => it.text())])`),
  'queued.js': app(
    `const { Queue } = require('tiny-queue');\nconst queue = new Queue();`,
    // Each takes a moment, so that others queue behind it, even on a busy machine.
    `() => new Promise((resolve) => queue.push((done) => call('/stock').then(() => setTimeout(done, 20), done), resolve))`,
  ),
  'polled.js': app(
    `const polled = require('tiny-polled').createPolled();`,
    `() => new Promise((resolve) => polled.later(() => call('/stock').then(resolve)))`,
  ),
  'own/queue.js': QUEUE,
  'own-queue.js': app(
    `const { Queue } = require('./own/queue.js');\nconst queue = new Queue();`,
    `() => new Promise((resolve) => queue.push((done) => call('/stock').then(() => setTimeout(done, 20), done), resolve))`,
  ),
  'data-queue.js': app(
    `const tasks = [];
let isBusy = false;
const next = () => {
  const one = tasks.shift();
  isBusy = one !== undefined;
  if (isBusy) call('/stock').then(() => setTimeout(() => (one.resolve(), next()), 20));
};`,
    `() => new Promise((resolve) => (tasks.push({ resolve }), isBusy || next()))`,
  ),
  'batched.js': app(
    `const Batcher = require('tiny-batcher');\nconst loader = new Batcher((keys) => call('/stock?of=' + keys.join(',')));`,
    `(request) => loader.load(new URL(request.url, 'http://shop').searchParams.get('of') ?? 'all')`,
  ),
  'leaking.js': app(
    `const lookup = (host, options, found) => (options.all ? found(null, [{ address: '127.0.0.1', family: 4 }]) : found(null, '127.0.0.1', 4));`,
    `(request) => {
      const [, lane] = /lane=([^,]+)/.exec(request.headers.baggage ?? '') ?? [];
      return Promise.all([call('/stock'), call('/pay', { 'x-shop-lane': lane ?? 'none' }, { host: 'api.partner.example', lookup })]);
    }`,
  ),
  'background.js': app(`setInterval(() => call('/health').catch(() => {}), 50);`, `() => call('/stock')`),
  'refusing.js': app(
    '',
    `(request) => call('/stock').then(() => { throw Object.assign(new Error('not here'), request.socket.destroy()); }).catch(() => {})`,
  ),
  'silent.js': app('', '() => {}'),
  'dies.js': `console.error('no database'); process.exitCode = 7;`,
  'two-ports.js': `${app('', '() => {}')}http.createServer(() => {}).listen(0, '127.0.0.1');`,
};

beforeAll(async () => {
  peer = await startPeer();
  for (const [name, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
});
afterAll(async () => {
  await peer.close();
  rmSync(folder, { recursive: true });
});

const NODE = process.execPath;

/** Runs it; replaces the peer's port by PEER and the app's by APP in its output. */
async function trace(script: string, args: readonly string[] = [], env: Record<string, string> = {}, node = NODE): Promise<Result> {
  const result = await runProgram(process.execPath, [LANE, 'doctor', '--trace', ...args, '--', node, script], {
    cwd: folder,
    env: { ...CLEAN, NODE_OPTIONS: '', PEER: String(peer.port), ...env },
  });
  return { ...result, stdout: result.stdout.replaceAll(`:${peer.port}`, ':PEER').replace(/^.*port \d+: /, 'APP: ') };
}

describe.each(nodeVersions())('$name', ({ path: node }) => {
  const traceOn = (script: string, args: readonly string[] = [], env: Record<string, string> = {}): Promise<Result> => trace(script, args, env, node);

  test('an app that keeps its lanes', async () => {
    const { code, stdout, stderr } = await traceOn('right.js', ['--path', '/orders/{id}']);
    expect(stderr).toBe('');
    expect(stdout).toBe(`APP: 42 × 200
  GET 127.0.0.1:PEER/prices  (undici)  42 right
  GET 127.0.0.1:PEER/stock/{n}  (node:http)  42 right
note    84 calls are known to be right by their context only, which a queue of data can falsify. If the app passes {id} on in the URL or a header of its calls, put it into --path or --data
every call seen is in its lane
`);
    expect(code).toBe(0);
  });

  test('reports a queue that runs the tasks of one request in the context of another, with the line that fixes it', async () => {
    const { code, stdout } = await traceOn('queued.js');
    expect(code).toBe(1);
    // Whether the lane is lost or mixed depends on which request starts the queue.
    const steady = stdout.replace(/\d+ right, .*\d+ (?:lost|mixed)/, 'R right, L lost').replace(/\d+ of 42/, 'L of 42');
    expect(steady.replace(/^mixed {3}/m, 'lost    ')).toBe(`APP: 42 × 200
  GET 127.0.0.1:PEER/stock  (node:http)  R right, L lost
lost    GET 127.0.0.1:PEER/stock: L of 42 calls, tiny-queue 1.2.3
        tiny-queue runs what is handed to Queue.prototype.push in the context of another request
        handed over at queued.js:17
        run at node_modules/tiny-queue/lib/queue.js:15 (Queue.next)
        call made at queued.js:7
        known by the function that the request handed over
        → set LANE_BIND='tiny-queue:Queue.prototype.push[0]'
1 problem
`);
  });

  test('reports a timer that loses the lane', async () => {
    const { code, stdout } = await traceOn('polled.js', ['--json']);
    const { problems } = JSON.parse(stdout) as { problems: unknown[] };
    expect(problems).toMatchObject([
      {
        verdict: 'lost',
        count: 28,
        of: 42,
        library: 'tiny-polled',
        version: '0.1.0',
        message: 'tiny-polled runs what is handed to createPolled().later in the context of no request',
        remedy: "set LANE_BIND='tiny-polled:createPolled().later[0]'",
      },
    ]);
    expect(code).toBe(1);
  });

  test("detects a batcher that asks for several lanes at once by the requests' ids", async () => {
    const proved = await traceOn('batched.js', ['--path', '/?of={id}', '--json']);
    const { problems } = JSON.parse(proved.stdout) as { problems: unknown[] };
    expect(problems).toMatchObject([
      {
        verdict: 'mixed',
        library: 'tiny-batcher',
        version: '2.0.0',
        evidence: 'id',
        message: expect.stringContaining('for requests of several lanes'),
      },
    ]);
    expect(proved.code).toBe(1);
  });

  test('reports an app that copies the lane to a third party', async () => {
    const copied = await traceOn('leaking.js');
    expect(copied.stdout.slice(copied.stdout.indexOf('leaked  '))).toBe(`leaked  GET api.partner.example:PEER/pay: 28 of 42 calls
        the app copies the tag into x-shop-lane of calls to api.partner.example, which does not look internal
        call made at leaking.js:7
        known by the context of the call
        → don't copy it there; if the host is yours, set LANE_PROPAGATE_TO=api.partner.example
1 problem
`);
    expect(copied.code).toBe(1);
  });
});

test('the remedy fixes the app', async () => {
  const queued = await trace('queued.js', [], { LANE_BIND: 'tiny-queue:Queue.prototype.push[0]' });
  expect(queued.stdout).toContain('GET 127.0.0.1:PEER/stock  (node:http)  42 right\n');
  const polled = await trace('polled.js', [], { LANE_BIND: 'tiny-polled:createPolled().later[0]' });
  expect(polled.stdout).toContain('GET 127.0.0.1:PEER/stock  (node:http)  42 right\n');
  expect([queued.code, polled.code]).toEqual([0, 0]);
});

test('detects a batcher whose calls have no ids by their number', async () => {
  const { code, stdout } = await trace('batched.js');
  expect(stdout).toMatch(/^mixed {3}GET 127\.0\.0\.1:PEER\/stock: \d+ of \d+ calls, tiny-batcher 2\.0\.0$/m);
  expect(stdout).toMatch(/^ {8}36 concurrent requests made \d+ calls, but each makes 1 when it is alone/m);
  expect(code).toBe(1);
});

test('reports options that send the lane to everybody', async () => {
  const { code, stdout } = await trace('leaking.js', [], { LANE_PROPAGATE_TO: 'all' });
  expect(stdout).toContain('→ remove LANE_PROPAGATE_TO=all');
  expect(code).toBe(1);
});

test("reports the app's own queue by its file", async () => {
  const { stdout } = await trace('own-queue.js');
  expect(stdout).toContain('        own/queue.js runs what is handed to Queue.prototype.push in the context of another request\n');
  expect(stdout).toContain("LANE_BIND='shop/own/queue.js:Queue.prototype.push[0]'\n");
  const mended = await trace('own-queue.js', [], { LANE_BIND: 'shop/own/queue.js:Queue.prototype.push[0]' });
  expect(mended.stdout).toContain('42 right\n');
});

test('detects a queue of data by how many calls each request makes', async () => {
  const { code, stdout } = await trace('data-queue.js');
  expect(stdout).toMatch(/^mixed {3}GET 127\.0\.0\.1:PEER\/stock: \d+ of 42 calls$/m);
  expect(stdout).toMatch(/^ {8}each request makes 1 of these calls when it is alone; of 36 concurrent ones, \d+ made none and others too many/m);
  expect(stdout).toContain('→ wrap what a request hands over in AsyncResource.bind(...) of node:async_hooks\n');
  expect(code).toBe(1);
});

test("does not mistake the app's own work for requests that lost their lane", async () => {
  const { code, stdout } = await trace('background.js');
  expect(stdout).toMatch(/^note {4}GET 127\.0\.0\.1:PEER\/health: \d+ calls are made without requests and count as background work$/m);
  expect(stdout).toContain('GET 127.0.0.1:PEER/stock  (node:http)  42 right\n');
  expect(code).toBe(0);
});

test('does not approve an app without calls', async () => {
  const { code, stdout } = await trace('silent.js');
  expect(stdout).toBe(`APP: 42 × 200
note    no call of the requests was seen, so nothing is proved: choose a --path that calls other services
nothing is proved
`);
  expect(code).toBe(1);
});

test('reports failed requests, and those whose lane the app does not trust', async () => {
  const { stdout } = await trace('refusing.js', ['--requests', '2'], { LANE_TRUST: 'none' });
  expect(stdout).toMatch(/^APP: 12 × (ECONNRESET|error)$/m);
  expect(stdout).toMatch(/^note {4}requests failed, 12 with \w+: calls that the app would otherwise have made were not seen/m);
  expect(stdout).toMatch(/^note {4}8 requests have another lane in the app than they were sent in, by LANE_TRUST/m);
});

test('explains an app that exits, one that listens on two ports, and unusable arguments', async () => {
  const dies = await trace('dies.js', ['--json']);
  expect(JSON.parse(dies.stdout)).toMatchObject({
    ok: false,
    code: 'ELANE_TRACE',
    message: 'the app exited by itself (exit code 7); it printed:\nno database',
  });
  const two = await trace('two-ports.js');
  expect(two.stderr).toMatch(/^lane: the app listens on \d+, \d+: choose one with --port\n$/);
  const without = await runProgram(process.execPath, [LANE, 'doctor', '--path', '/x'], { cwd: folder, env: CLEAN });
  expect(without.stderr).toBe('lane: --path requires --trace: lane doctor --trace -- node app.js\n');
  const nothing = await runProgram(process.execPath, [LANE, 'doctor', '--trace'], { cwd: folder, env: CLEAN });
  expect(nothing.stderr).toBe('lane: pass the command that starts the app: lane doctor --trace -- node app.js\n');
  expect([dies.code, two.code, without.code, nothing.code]).toEqual([1, 2, 2, 2]);
});
