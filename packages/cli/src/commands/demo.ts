import { Command, InvalidArgumentError, Option } from 'commander';
import { checkDemo } from '../check-demo.js';
import { CliError } from '../cli-error.js';
import { BASE_HOST, GRAY_HOST, SHOP, startDemo, type Demo } from '../demo.js';
import { untilAskedToStop } from '../terminal.js';

/** `lane demo`. */
export function demoCommand(): Command {
  return new Command('demo')
    .description('start the demo: Nacos, a gateway, and services A → B → C, base and gray')
    .option('--check', 'send both requests and 200 more, and exit with 0 only if every answer is right')
    .option('--without <services>', 'leave out the canaries of these services: a comma-separated list of a, b, c', parseLetters, [])
    .addOption(
      new Option('--entry <mode>', 'how requests enter: by the host of the gateway’s routes, or by entry rules')
        .choices(['hosts', 'rules'])
        .default('hosts'),
    )
    .addOption(new Option('--ports <ports>', 'ports 8848 and 8000, or free ones').choices(['default', 'auto']).default('default'))
    .option('--console', 'start the console, too, on port 8900 or a free one')
    .addOption(
      new Option('--lane-groups <which>', 'publish the lane group shop, or none, to make it by hand').choices(['shop', 'none']).default('shop'),
    )
    .option('--replicas <n>', 'processes per service and lane', parseCount, 2)
    .option('--nacos <host:port>', 'use this Nacos instead of the embedded one')
    .option('--nacos-username <name>', 'its user')
    .option('--nacos-password <password>', 'its password')
    .option('--namespace <id>', 'its namespace')
    .option('--json', 'with --check: the result as JSON')
    .action(demo);
}

interface DemoArguments {
  check?: boolean;
  without: string[];
  entry: 'hosts' | 'rules';
  ports: 'default' | 'auto';
  console?: boolean;
  laneGroups: 'shop' | 'none';
  replicas: number;
  nacos?: string;
  nacosUsername?: string;
  nacosPassword?: string;
  namespace?: string;
  json?: boolean;
}

async function demo(given: DemoArguments): Promise<void> {
  if (given.entry === 'hosts' && given.without.includes('a')) {
    throw new CliError('without A’s canary no request enters the lane by host: use --entry rules with --without a', 'ELANE_USAGE', 2);
  }
  if (given.check === true && given.entry === 'rules' && given.laneGroups === 'none') {
    throw new CliError('without a lane group no rule lets a request in: leave out --lane-groups none, or use --entry hosts', 'ELANE_USAGE', 2);
  }
  const say = given.json === true ? (line: string) => console.error(line) : (line: string) => console.log(line);
  const asked = untilAskedToStop();
  const starting = startDemo({ ...given, onProgress: say, onDeath: (description) => console.error(description) });
  // If stopped while starting, wait for the start and then stop what is running.
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
      if (running.consoleUrl !== undefined) say(`Console: ${running.consoleUrl}`);
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

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > 20) throw new InvalidArgumentError('Must be a number from 1 to 20.');
  return count;
}

function parseLetters(text: string, before: string[]): string[] {
  const letters = text
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((letter) => letter !== '');
  const known: readonly string[] = SHOP.map(({ letter }) => letter);
  const unknown = letters.find((letter) => !known.includes(letter));
  if (unknown !== undefined) throw new InvalidArgumentError(`There is no service ${unknown}: must be one of ${known.join(', ')}.`);
  return [...before, ...letters];
}
