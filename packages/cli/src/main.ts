#!/usr/bin/env node
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { isCidr, SILENT_LOG, type Log } from '@lane/core';
import { connectNacos, watchLaneGroups } from '@lane/nacos-registry';
import { startEmbeddedNacos } from '@lane/nacos-registry/embedded';
import { startGateway, type GatewayRoute } from '@lane/gateway';
import { checkDemo } from './check-demo.js';
import { CliError } from './cli-error.js';
import { BASE_HOST, GRAY_HOST, SHOP, startDemo, type Demo } from './demo.js';

const { version } = require('../package.json') as { version: string };

const program = new Command('lane')
  .description('End-to-end canary release (traffic lanes) for Node.js.')
  .version(version)
  .showHelpAfterError('(add --help for the options)')
  .configureHelp({ sortSubcommands: false });

program
  .command('demo')
  .description('start the scenario: Nacos, a gateway, and A → B → C, base and gray')
  .option('--check', 'send both requests and 200 more, and exit 0 only if every answer is right')
  .option('--without <services>', 'leave out the canary of these services: a comma list of a, b, c', parseLetters, [])
  .addOption(
    new Option('--entry <mode>', 'how requests enter: by the host of the gateway’s routes, or by entry rules')
      .choices(['hosts', 'rules'])
      .default('hosts'),
  )
  .addOption(new Option('--ports <ports>', 'ports 8848 and 8000, or free ones').choices(['default', 'auto']).default('default'))
  .option('--replicas <n>', 'processes of each service and lane', parseCount, 2)
  .option('--nacos <host:port>', 'use this Nacos instead of the embedded one')
  .option('--nacos-username <name>', 'its user')
  .option('--nacos-password <password>', 'its password')
  .option('--namespace <id>', 'its namespace')
  .option('--json', 'with --check: the result as JSON')
  .action(demo);

program
  .command('nacos')
  .description('start the embedded Nacos: HTTP API v1, in memory')
  .option('--port <port>', 'port to listen on; 0 takes a free one', parsePort, 8848)
  .option('--host <host>', 'address to listen on', '127.0.0.1')
  .action(async ({ port, host }: { port: number; host: string }) => {
    const nacos = await startEmbeddedNacos({ port, host, log: (line) => console.error(line) });
    announce(nacos.port, `embedded Nacos on ${nacos.address}, everything in memory; Ctrl-C ends it`);
    await untilAskedToStop();
    await nacos.close();
  });

program
  .command('gateway')
  .description('start the entry gateway')
  .option('--port <port>', 'port to listen on; 0 takes a free one', parsePort, 8000)
  .option('--host <host>', 'address to listen on', '127.0.0.1')
  .addOption(new Option('--nacos <host:port>', 'where Nacos is').env('LANE_NACOS_SERVER').default('127.0.0.1:8848'))
  .addOption(new Option('--namespace <id>', 'namespace in Nacos').env('LANE_NACOS_NAMESPACE'))
  .addOption(new Option('--nacos-username <name>', 'user of Nacos').env('LANE_NACOS_USERNAME'))
  .addOption(new Option('--nacos-password <password>', 'password of Nacos').env('LANE_NACOS_PASSWORD'))
  .addOption(
    new Option('--entry <mode>', 'hosts: routes say which lane serves; rules: entry rules of the lane groups do')
      .choices(['hosts', 'rules'])
      .default('hosts'),
  )
  .requiredOption('--route <host[/path]=service[:tag]>', 'where requests go; may be given several times', parseRoute)
  .option('--trust <cidrs>', 'peers whose own lane headers are believed: none, all, or a comma list of CIDRs', parseTrust, 'none')
  .action(gateway);

interface DemoArguments {
  check?: boolean;
  without: string[];
  entry: 'hosts' | 'rules';
  ports: 'default' | 'auto';
  replicas: number;
  nacos?: string;
  nacosUsername?: string;
  nacosPassword?: string;
  namespace?: string;
  json?: boolean;
}

async function demo(given: DemoArguments): Promise<void> {
  if (given.entry === 'hosts' && given.without.includes('a')) {
    throw new CliError('without A’s canary no request gets into the lane by host: use --entry rules with --without a', 'ELANE_USAGE', 2);
  }
  const say = given.json === true ? (line: string) => console.error(line) : (line: string) => console.log(line);
  const asked = untilAskedToStop();
  const starting = startDemo({ ...given, onProgress: say, onDeath: (description) => console.error(description) });
  // Asked to stop while starting: what is there has to go as well.
  const stopped = await Promise.race([asked.then(() => true), starting.then(() => false)]);
  if (stopped) say('stopping');
  const running = await starting;
  try {
    if (stopped) return;
    if (given.check === true) await report(running, given.json === true);
    else {
      say('');
      say('Base:  curl -H "Host: ' + BASE_HOST + `" ${running.gatewayUrl}/a`);
      say('Gray:  curl -H "Host: ' + GRAY_HOST + `" ${running.gatewayUrl}/a`);
      say('');
      say('Ctrl-C ends everything.');
      await asked;
    }
  } finally {
    await running.stop();
  }
}

async function report(running: Demo, json: boolean): Promise<void> {
  const checks = await checkDemo(running);
  if (json) console.log(JSON.stringify({ ok: checks.every(({ sent, right }) => sent === right), checks }, null, 2));
  else {
    console.log('');
    for (const { host, first } of checks) console.log(`Host: ${host.padEnd(BASE_HOST.length)}  ${first}`);
    console.log('');
    for (const { host, sent, right, wrong } of checks) {
      console.log(`${host}: ${right} of ${sent} right`);
      for (const [answer, times] of Object.entries(wrong)) console.log(`    ${times} × ${answer}`);
    }
  }
  if (checks.some(({ sent, right }) => sent !== right)) process.exitCode = 1;
}

interface GatewayArguments {
  port: number;
  host: string;
  nacos: string;
  namespace?: string;
  nacosUsername?: string;
  nacosPassword?: string;
  entry: 'hosts' | 'rules';
  route: GatewayRoute[];
  trust: 'none' | 'all' | string[];
}

async function gateway(given: GatewayArguments): Promise<void> {
  const connection = connectNacos({
    server: given.nacos,
    namespace: given.namespace,
    username: given.nacosUsername,
    password: given.nacosPassword,
    log: TERMINAL_LOG,
  });
  const running = await startGateway({
    port: given.port,
    host: given.host,
    registry: connection,
    routes: given.route,
    entry: given.entry,
    trust: given.trust,
    log: TERMINAL_LOG,
  });
  const check = await connection.check();
  if (!check.ok) console.error(`lane gateway: ${check.problem}; requests get 503 until then`);
  // Ready is when the services behind it are known; with Nacos down it serves its 503 all the same.
  if (check.ok) {
    const listed = await Promise.allSettled(
      given.route.map(({ service, group }) => connection.list({ name: service, group: group ?? 'DEFAULT_GROUP' })),
    );
    if (listed.every(({ status }) => status === 'fulfilled')) await running.ready();
  }
  const unwatch = given.entry === 'rules' ? await watchRules() : () => {};
  announce(running.port, `gateway on ${running.url}, entry by ${given.entry}; Ctrl-C ends it`);
  await untilAskedToStop();
  unwatch();
  await running.close();
  await connection.close();

  /** Watches the lane groups, and waits for the first word on them where Nacos answers. */
  async function watchRules(): Promise<() => void> {
    let known: (() => void) | undefined;
    const first = new Promise<void>((resolve) => (known = resolve));
    const stopWatching = watchLaneGroups(connection, {
      log: TERMINAL_LOG,
      onRules: (rules) => {
        running.setRules(rules);
        known?.();
      },
    });
    if (check.ok) await first;
    return stopWatching;
  }
}

const TERMINAL_LOG: Log = {
  ...SILENT_LOG,
  error: (message, fields) => console.error(`error: ${message}${fields === undefined ? '' : ` ${JSON.stringify(fields)}`}`),
  warn: (message, fields) => console.error(`warning: ${message}${fields === undefined ? '' : ` ${JSON.stringify(fields)}`}`),
};

/** Tells a person, and the process that started this one. */
function announce(port: number, line: string): void {
  console.log(line);
  process.send?.({ port });
}

/** Resolves at the first SIGINT, SIGTERM or SIGHUP; a second one ends the process at once. */
function untilAskedToStop(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (): void => {
      if (asked) process.exit(130);
      asked = true;
      resolve();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  });
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError('a port is a number from 0 to 65535.');
  return port;
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > 20) throw new InvalidArgumentError('accepted is a number from 1 to 20.');
  return count;
}

function parseLetters(text: string, before: string[]): string[] {
  const letters = text
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((letter) => letter !== '');
  const known: readonly string[] = SHOP.map(({ letter }) => letter);
  const unknown = letters.find((letter) => !known.includes(letter));
  if (unknown !== undefined) throw new InvalidArgumentError(`there is no service ${unknown}: accepted are ${known.join(', ')}.`);
  return [...before, ...letters];
}

function parseRoute(text: string, before: GatewayRoute[] = []): GatewayRoute[] {
  const match = /^([^=/]+)(\/[^=]*)?=([^:=]+)(?::([A-Za-z0-9._-]{1,64}))?$/.exec(text);
  if (match === null) throw new InvalidArgumentError('a route is host[/path]=service[:tag], such as www.example.com/a=spring-cloud-a:gray.');
  const [, host = '', path, service = '', tag] = match;
  return [...before, { host, service, ...(path === undefined ? {} : { path }), ...(tag === undefined ? {} : { tag }) }];
}

function parseTrust(text: string): 'none' | 'all' | string[] {
  if (text === 'none' || text === 'all') return text;
  const cidrs = text.split(/[\s,]+/).filter((cidr) => cidr !== '');
  const wrong = cidrs.find((cidr) => !isCidr(cidr));
  if (wrong !== undefined || cidrs.length === 0) {
    throw new InvalidArgumentError(`${JSON.stringify(wrong ?? text)} is no network: accepted are none, all, or a comma list such as 10.0.0.0/8,::1.`);
  }
  return cidrs;
}

async function main(): Promise<void> {
  try {
    program.exitOverride();
    for (const command of program.commands) command.exitOverride();
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      return;
    }
    const { message, code, syscall } = error as NodeJS.ErrnoException;
    const expected = error instanceof CliError || code?.startsWith('ELANE_') === true;
    // What a port or an address of somebody's choice may meet: EACCES, EADDRNOTAVAIL, ENOTFOUND.
    if (syscall === 'listen' || syscall === 'getaddrinfo') console.error(`lane: ${message}: choose another --port or --host`);
    else console.error(`lane: ${expected ? message : String((error as Error).stack ?? error)}`);
    process.exitCode = error instanceof CliError ? error.exitCode : 1;
  }
}

void main();
