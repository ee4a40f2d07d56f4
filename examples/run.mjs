/**
 * Implements `npm run example -- NAME`: installs what the example needs, starts Nacos, its services and a gateway, and prints requests to
 * try. With `--check` it sends them, and exits with 0 only if every answer is right.
 *
 * An example is a folder whose example.mjs exports an {@link Example}, see below.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { freePort } from './free-port.mjs';
import { startRealNacos } from './real-nacos.mjs';

/**
 * @typedef {object} Example
 * @property {string} title
 * @property {'any' | 'real'} [nacos] `real`: not the embedded one. Default `any`.
 * @property {() => Promise<void>} [install] Installs and builds what is needed; quick if that is done.
 * @property {string[]} services The services of the lane group.
 * @property {string} entry The service that the gateway sends requests to.
 * @property {string[]} [within] Services that others call through an inner Lane gateway, at LANE_GATEWAY; it trusts their tags.
 * @property {(running: Running) => Process[] | Promise<Process[]>} processes
 * @property {object[]} [rules] Entry rules of the lane gray. Default: requests for www.example.com.
 * @property {(entry: Entry) => Process | Promise<Process>} [gateway] The entry gateway, if it is not Lane's.
 * @property {Array<{ path: string, gray?: boolean, lane?: string, host?: string, headers?: Record<string, string>, answer: RegExp, show?: RegExp }>} requests
 *   `host`, `lane`: instead of those of base or gray; `show`: the part of an HTML page to print.
 *
 * @typedef {object} Process
 * @property {string} name
 * @property {string} command
 * @property {string[]} args
 * @property {boolean} [agent] Runs under Lane's agent.
 * @property {Record<string, string>} [env]
 * @property {string} [cwd] Default: the example's folder.
 * @property {RegExp} [ready] What it prints once it serves.
 * @property {number} [port] The port that it listens on, for programs that print nothing.
 * @property {boolean} [first] Others need it: start it, and wait until it is ready, before them and before the inner gateway.
 *
 * @typedef {object} Running
 * @property {string} nacos `host:port`.
 * @property {string} root The repository.
 *
 * @typedef {object} Entry
 * @property {number} port Where the gateway must listen.
 * @property {string} folder For its files; deleted at the end.
 * @property {(target: string) => Promise<string>} exported What `lane gateway export` writes for it.
 */

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(join(root, 'packages/cli/package.json'));
const lane = join(root, 'packages/cli/dist/main.js');
const agent = join(root, 'packages/agent');
const BASE_HOST = 'www.aliyundoc.com';
const GRAY_HOST = 'www.example.com';
const READY_TIMEOUT_MS = 180_000;
/** Twice the time for which Spring's load balancer keeps an incomplete answer, and the start of slow services. */
const FIRST_ANSWERS_TIMEOUT_MS = 150_000;
const TIMES = 20;

const names = readdirSync(join(root, 'examples')).filter((name) => existsSync(join(root, 'examples', name, 'example.mjs')));
const { values, positionals } = parseArgs({
  args: process.argv.slice(2),
  allowPositionals: true,
  options: { check: { type: 'boolean' }, nacos: { type: 'string' }, port: { type: 'string', default: '0' } },
});
const [name] = positionals;
if (!names.includes(name)) {
  console.error(`Usage: npm run example -- <${names.join('|')}> [--check] [--nacos host:port] [--port port of the gateway]`);
  process.exit(2);
}

/** @type {Example} */
const example = (await import(pathToFileURL(join(root, 'examples', name, 'example.mjs')).href)).default;
const folder = mkdtempSync(join(tmpdir(), 'lane-example-'));
const children = new Set();
/** Environment of all processes. */
const environment = { LANE_SNAPSHOT_DIR: folder };
let stopping;
const endings = [];
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void stop().then(() => process.exit(0)));

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`npm run example -- ${name}: ${error.message}`);
  process.exitCode = 1;
}
await stop();

async function main() {
  console.log(example.title);
  await example.install?.();
  const nacos = values.nacos ?? (example.nacos === 'real' ? await realNacos() : await embeddedNacos());
  console.log(`Nacos on ${nacos}`);
  Object.assign(environment, { NACOS_SERVER: nacos, LANE_NACOS_SERVER: nacos });
  await publishLanes(nacos);
  const processes = await example.processes({ nacos, root });
  await Promise.all(processes.filter(({ first }) => first).map((one) => start(one)));
  if (example.within !== undefined) {
    const routes = example.within.map((service) => `${service}=${service}`);
    environment.LANE_GATEWAY = await startGateway('the inner gateway', routes, ['--port', '0', '--trust', '127.0.0.0/8']);
  }
  await Promise.all(processes.filter(({ first }) => !first).map((one) => start(one)));
  const gateway =
    example.gateway === undefined ? await startGateway('the gateway', [`*=${example.entry}`], ['--port', values.port]) : await startForeignGateway();
  if (values.check) return check(gateway);
  console.log('\nTry:');
  for (const request of example.requests) {
    const { path, gray, lane: asked = gray ? 'Gray' : 'Base', headers = {} } = request;
    const more = Object.entries(headers).map(([key, value]) => ` -H "${key}: ${value}"`);
    console.log(`  ${asked}: curl -H "Host: ${hostOf(request)}"${more.join('')} ${gateway}${path}`);
  }
  console.log('\nCtrl-C ends everything.');
  await new Promise(() => {});
}

/**
 * Sends all requests in turn, several times, since each hop chooses among instances at random. First repeats each until its answer is right:
 * a service may be ready a moment before it gets the instances from Nacos, and a JVM's first answer is slow.
 */
async function check(gateway) {
  const deadline = Date.now() + FIRST_ANSWERS_TIMEOUT_MS;
  for (const request of example.requests) while (Date.now() < deadline && !(await isAnswered(gateway, request)));
  let wrong = 0;
  for (let time = 0; time < TIMES; time++) {
    for (const request of example.requests) {
      const body = await ask(gateway, request);
      const right = request.answer.test(body);
      if (!right) wrong++;
      if (time === 0 || !right)
        console.log(
          `${right ? '' : 'WRONG '}Host: ${hostOf(request).padEnd(17)} ${request.path}${headersOf(request)}  ${request.show?.exec(body)?.[1] ?? body}`,
        );
    }
  }
  const sent = TIMES * example.requests.length;
  console.log(`${sent - wrong} of ${sent} right`);
  return wrong === 0 ? 0 : 1;
}

function headersOf({ headers = {} }) {
  return Object.entries(headers)
    .map(([key, value]) => `  ${key}: ${value}`)
    .join('');
}

function hostOf({ gray, host }) {
  return host ?? (gray ? GRAY_HOST : BASE_HOST);
}

function ask(gateway, request) {
  return get(`${gateway}${request.path}`, { ...request.headers, host: hostOf(request) });
}

async function isAnswered(gateway, request) {
  if (request.answer.test(await ask(gateway, request))) return true;
  await new Promise((resolve) => setTimeout(resolve, 100));
  return false;
}

/** Publishes the lane group of the example. */
async function publishLanes(nacos) {
  const { connectNacos } = require('@lane/nacos-registry');
  const { publishLaneGroups } = require('@lane/storage');
  const connection = connectNacos({ server: nacos, holdProcess: true });
  const rules = example.rules ?? [{ name: 'by-host', match: { host: { exact: GRAY_HOST } } }];
  const gray = { name: 'gray', tag: 'gray', enabled: true, fallback: 'base', rules };
  const group = { name, services: example.services, entry: { services: ['lane-gateway'] }, lanes: [gray] };
  await publishLaneGroups(connection, JSON.stringify({ version: 1, groups: [group] }));
  await connection.close();
}

async function embeddedNacos() {
  const { startEmbeddedNacos } = require('@lane/embedded-nacos');
  const nacos = await startEmbeddedNacos({ port: 0 });
  endings.push(() => nacos.close());
  return nacos.address;
}

async function realNacos() {
  const nacos = await startRealNacos();
  endings.push(() => nacos.stop());
  return nacos.address;
}

/** Starts a Lane gateway with the example's lanes; returns its URL. */
async function startGateway(title, routes, args) {
  const [, url] = await start({
    name: title,
    command: process.execPath,
    args: [lane, 'gateway', '--nacos', environment.NACOS_SERVER, '--entry', 'rules', ...routes.flatMap((route) => ['--route', route]), ...args],
    ready: /gateway on (http:\/\/[\d.:]+)/,
  });
  return url;
}

/** Starts an entry gateway other than Lane's, with its exported configuration; returns its URL. */
async function startForeignGateway() {
  const port = values.port === '0' ? await freePort() : Number(values.port);
  await start(await example.gateway({ port, folder, exported: (target) => exported(target, port) }));
  return `http://127.0.0.1:${port}`;
}

/** The output of `lane gateway export`; prints what that could not express. */
async function exported(target, port) {
  const args = ['gateway', 'export', target, '--nacos', environment.NACOS_SERVER, '--listen', String(port), '--route', `*=${example.entry}`];
  console.log(`lane ${args.map((one) => (one.includes('*') ? `'${one}'` : one)).join(' ')}`);
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [lane, ...args]);
  for (const line of stderr.split('\n').filter((one) => one.startsWith('not expressed'))) console.log(`  ${line}`);
  return stdout;
}

/** Starts a process; resolves with the match of `ready` once it is ready. */
function start({ name: title, command, args, agent: underAgent, env = {}, cwd = join(root, 'examples', name), ready, port }) {
  const child = spawn(command, args, {
    cwd,
    env: {
      ...process.env,
      ...environment,
      ...(underAgent ? { NODE_OPTIONS: `--require ${JSON.stringify(agent)}` } : {}),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A terminal's Ctrl-C must reach only us: we end the others in order.
    detached: true,
  });
  children.add(child);
  child.ended = new Promise((resolve) => child.once('close', resolve));
  const lines = [];
  return new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(`${title} ${why}; its last lines:\n${lines.slice(-20).join('\n')}`));
    const impatient = setTimeout(() => fail(`was not ready within ${READY_TIMEOUT_MS / 1000} s`), READY_TIMEOUT_MS);
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream.setEncoding('utf8');
      stream.on('data', (chunk) => {
        const complete = (rest + chunk).split('\n');
        rest = complete.pop();
        for (const line of complete) {
          lines.push(line);
          const match = ready?.exec(line);
          if (match === undefined || match === null) continue;
          clearTimeout(impatient);
          resolve(match);
        }
      });
    }
    if (port !== undefined) {
      void listens(port, child).then(() => {
        clearTimeout(impatient);
        resolve();
      });
    }
    child.once('error', (error) => {
      children.delete(child);
      fail(`cannot be started: ${error.message}`);
    });
    child.once('close', (code) => {
      clearTimeout(impatient);
      children.delete(child);
      fail(`exited with code ${code}`);
    });
  });
}

/** Resolves once a child listens; never if it exits first. */
async function listens(port, child) {
  while (child.exitCode === null) {
    const socket = connect(port, '127.0.0.1');
    if (await once(socket, 'connect').catch(() => undefined)) return void socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await new Promise(() => {});
}

function stop() {
  return (stopping ??= (async () => {
    // Services first: they need the registry to deregister.
    await Promise.all(
      [...children].map(async (child) => {
        child.kill('SIGTERM');
        const impatient = setTimeout(() => child.kill('SIGKILL'), 5000);
        await child.ended;
        clearTimeout(impatient);
      }),
    );
    for (const end of endings) await end();
  })());
}

function get(url, headers) {
  return new Promise((resolve, reject) => {
    http
      .get(url, { headers, agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => (body += chunk));
        response.on('end', () => resolve(body.trim()));
        response.on('error', reject);
      })
      .on('error', reject);
  });
}
