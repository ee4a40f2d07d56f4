import { Command, InvalidArgumentError, Option } from 'commander';
import { isTag, TAG_RULE } from '@lane/core/model';
import { parsePort } from '../arguments.js';
import { CliError } from '../cli-error.js';
import type { Examination, Given } from '../doctor/examine.js';
import type { Finding, Level } from '../doctor/finding.js';
import { EXIT } from '../exit-codes.js';
import { inFlags } from '../flags.js';
import { counted, printJson, styled, type Style } from '../output.js';

/** `lane doctor`. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('diagnose an app: is the agent loaded, is Nacos reachable, are the tag and the option names valid')
    .option('--pid <pid>', 'examine this process (Linux); default: this shell’s environment, as an app started here would get it', parsePid)
    .option('--admin <host:port>', 'ask the agent at this address (its LANE_ADMIN_PORT)', parseAddress)
    .addOption(
      new Option('--env <name=value>', 'a variable of the app’s environment, in addition to this shell’s; repeatable')
        .argParser(collectVariable)
        .conflicts(['pid', 'admin']),
    )
    .option('--service <name>', 'name of the service in Nacos')
    .option('--nacos <host:port>', 'address of Nacos, if neither the agent nor LANE_NACOS_SERVER has it')
    .option('--namespace <id>', 'namespace in Nacos')
    .option('--nacos-username <name>', 'user of Nacos')
    .option('--nacos-password <password>', 'password of Nacos')
    .option('--nacos-group <name>', 'group of the services in Nacos')
    .addOption(new Option('--nacos-transport <name>', 'transport to Nacos').choices(['http', 'grpc', 'auto']))
    .option('--quiet', 'print problems only')
    .option('--json', 'as JSON')
    .argument('[command...]', 'with --trace: command that starts the app, after --')
    .addOption(
      new Option(
        '--trace',
        'start an app, send it concurrent requests of two lanes and none, and report which of its calls lose their lane',
      ).conflicts(['pid', 'admin', 'env']),
    )
    .option('--path <path>', 'with --trace: path to request; {id} is unique per request (default: /)')
    .option('--method <method>', 'with --trace: HTTP method (default: GET, with --data POST)', parseMethod)
    .option('--header <name:value>', 'with --trace: a header of the requests, such as credentials; repeatable', collectHeader)
    .option('--data <text>', 'with --trace: a JSON body')
    .option('--requests <count>', 'with --trace: concurrent requests of each kind (default: 12)', parseCount)
    .option('--port <port>', 'with --trace: port of the app, if it listens on several', parsePort)
    .option('--lanes <tag,tag>', 'with --trace: tags of the two lanes (default: doctor-a,doctor-b)', parseLanes)
    .passThroughOptions()
    .addHelpText('after', HELP)
    .action(doctor);
}

const HELP = `
--trace starts your command unchanged, with the agent and this shell's environment: the app registers, connects and calls others as usual.
It then sends the app, on localhost, six requests one after the other and three times --requests at once: a third without a lane, and a third in
each of two lanes. No instance has these lanes, so base serves them. Each request has an id in x-request-id and x-lane-doctor.
The app's own calls are real: choose a path and data that do no harm, and a test environment. The command sends nothing else.
It sees calls by node:http, undici (fetch) and node:http2, but not those of database and message clients.

Exit code 0: nothing breaks lanes; 1: something does, or --trace saw no call; 2: invalid arguments.`;

interface DoctorArguments extends Given {
  trace?: boolean;
  path?: string;
  method?: string;
  header?: Array<readonly [string, string]>;
  data?: string;
  requests?: number;
  port?: number;
  lanes?: readonly [string, string];
  pid?: number;
  quiet?: boolean;
  json?: boolean;
}

async function doctor(words: string[], given: DoctorArguments, command: Command): Promise<void> {
  if (given.trace === true) return traceApp(words, given);
  const alien = (['path', 'method', 'header', 'data', 'requests', 'port', 'lanes'] as const).find((name) => given[name] !== undefined);
  if (words.length > 0 || alien !== undefined) {
    throw new CliError(
      `${alien === undefined ? 'a command' : `--${alien}`} requires --trace: lane doctor --trace -- node app.js`,
      'ELANE_USAGE',
      EXIT.usage,
    );
  }
  const { examine } = await import('../doctor/examine.js');
  const examined = await examine(given, variablesOf(command.parent ?? command));
  const examination = { ...examined, findings: examined.findings.map(inOptions) };
  if (given.json === true) printJson(examination);
  else print(examination, given.quiet === true);
  if (!examination.ok) process.exitCode = EXIT.failed;
}

async function traceApp(command: string[], given: DoctorArguments): Promise<void> {
  if (command.length === 0) {
    throw new CliError('pass the command that starts the app: lane doctor --trace -- node app.js', 'ELANE_USAGE', EXIT.usage);
  }
  const { runTrace } = await import('../doctor/trace/run-trace.js');
  const trace = await runTrace({
    command,
    path: given.path ?? '/',
    method: given.method ?? (given.data === undefined ? 'GET' : 'POST'),
    requests: given.requests ?? DEFAULT_REQUESTS,
    port: given.port,
    headers: given.header ?? [],
    data: given.data,
    lanes: given.lanes ?? ['doctor-a', 'doctor-b'],
  });
  if (given.json === true) printJson(trace);
  else {
    const { printTrace } = await import('../doctor/trace/print-trace.js');
    printTrace(trace, command);
  }
  if (!trace.ok) process.exitCode = EXIT.failed;
}

/** Words remedies for the connection to Nacos with this command's options, if they were given: they take precedence over the app's variables. */
function inOptions(finding: Finding): Finding {
  const { check, remedy } = finding;
  return remedy === undefined || (check !== 'nacos' && check !== 'service') ? finding : { ...finding, remedy: inFlags(remedy) };
}

/** The environment variables of all options of all commands. */
function variablesOf(command: Command): readonly string[] {
  return [...command.options.flatMap(({ envVar }) => (envVar === undefined ? [] : [envVar])), ...command.commands.flatMap(variablesOf)];
}

const STYLES: Readonly<Record<Level, Style>> = { ok: 'green', note: 'cyan', warning: 'yellow', error: 'red' };

function print({ examined, findings }: Examination, quiet: boolean): void {
  console.log(styled('bold', examined));
  for (const { check, level, message, remedy } of findings) {
    if (quiet && level === 'ok') continue;
    console.log(`${styled(STYLES[level], level.padEnd(7))}  ${check.padEnd(11)}  ${message}`);
    if (remedy !== undefined) console.log(`${' '.repeat(22)}→ ${remedy}`);
  }
  const count = (level: Level): number => findings.filter((finding) => finding.level === level).length;
  const found = [counted(count('error'), 'error'), counted(count('warning'), 'warning')].filter((text) => !text.startsWith('0 '));
  console.log(found.length === 0 ? styled('green', 'nothing wrong') : found.join(', '));
}

function collectVariable(text: string, before: Record<string, string> = {}): Record<string, string> {
  const equals = text.indexOf('=');
  if (equals < 1) throw new InvalidArgumentError('Must be NAME=VALUE.');
  return { ...before, [text.slice(0, equals)]: text.slice(equals + 1) };
}

const DEFAULT_REQUESTS = 12;
const MAX_REQUESTS = 1_000;

function parseMethod(text: string): string {
  if (!/^[A-Za-z]{1,20}$/.test(text)) throw new InvalidArgumentError('Must be a method such as POST.');
  return text.toUpperCase();
}

function collectHeader(text: string, before: ReadonlyArray<readonly [string, string]> = []): Array<readonly [string, string]> {
  const [, name, value] = /^([\w!#$%&'*+.^`|~-]+):\s*([\t\x20-\x7e]*)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError("Must be NAME:VALUE, such as 'authorization: Bearer …'.");
  return [...before, [name, value]];
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d{1,4}$/.test(text) || count < 1 || count > MAX_REQUESTS) throw new InvalidArgumentError(`Must be 1 to ${MAX_REQUESTS}.`);
  return count;
}

function parseLanes(text: string): readonly [string, string] {
  const [first = '', second = '', ...more] = text.split(',');
  if (!isTag(first) || !isTag(second) || first === second || more.length > 0)
    throw new InvalidArgumentError(`Must be two different tags, each ${TAG_RULE}.`);
  return [first, second];
}

function parsePid(text: string): number {
  const pid = Number(text);
  if (!/^\d{1,10}$/.test(text) || pid < 1) throw new InvalidArgumentError('Must be the number of a process.');
  return pid;
}

function parseAddress(text: string): string {
  if (!/^(?:\[[0-9a-fA-F:.]+\]|[^:[\]\s/@?#]+):\d{1,5}$/.test(text)) throw new InvalidArgumentError('Must be host:port, such as 127.0.0.1:9464.');
  return text;
}
