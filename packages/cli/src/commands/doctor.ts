import { Command, InvalidArgumentError, Option } from 'commander';
import type { Examination, Given } from '../doctor/examine.js';
import type { Level } from '../doctor/finding.js';
import { EXIT } from '../exit-codes.js';
import { counted, printJson, styled, type Style } from '../output.js';

/** `lane doctor`. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('run beside an app: is the agent loaded, Nacos reachable, the tag right, the option names spelled right')
    .option('--pid <pid>', 'examine this process (Linux); without, the environment of this shell, as if the app were started in it', parsePid)
    .option('--admin <host:port>', 'ask the agent there (its LANE_ADMIN_PORT)', parseAddress)
    .addOption(
      new Option('--env <name=value>', 'a variable as the app would have it, over those of this shell; may be given several times')
        .argParser(collectVariable)
        .conflicts(['pid', 'admin']),
    )
    .option('--service <name>', 'name of the service in Nacos')
    .option('--nacos <host:port>', 'where Nacos is, if neither the agent nor LANE_NACOS_SERVER tells')
    .option('--namespace <id>', 'namespace in Nacos')
    .option('--nacos-username <name>', 'user of Nacos')
    .option('--nacos-password <password>', 'password of Nacos')
    .option('--nacos-group <name>', 'group of the services in Nacos')
    .addOption(new Option('--nacos-transport <name>', 'how to speak with Nacos').choices(['http', 'grpc']))
    .option('--quiet', 'only what is wrong')
    .option('--json', 'as JSON')
    .addHelpText('after', "\nExit code 0: nothing that breaks lanes; 1: something does; 2: the arguments can't be used.")
    .action(doctor);
}

interface DoctorArguments extends Given {
  pid?: number;
  quiet?: boolean;
  json?: boolean;
}

async function doctor(given: DoctorArguments, command: Command): Promise<void> {
  const { examine } = await import('../doctor/examine.js');
  const examination = await examine(given, variablesOf(command.parent ?? command));
  if (given.json === true) printJson(examination);
  else print(examination, given.quiet === true);
  if (!examination.ok) process.exitCode = EXIT.failed;
}

/** The variables that options of any command stand for. */
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
  if (equals < 1) throw new InvalidArgumentError('accepted is NAME=VALUE.');
  return { ...before, [text.slice(0, equals)]: text.slice(equals + 1) };
}

function parsePid(text: string): number {
  const pid = Number(text);
  if (!/^\d{1,10}$/.test(text) || pid < 1) throw new InvalidArgumentError('accepted is the number of a process.');
  return pid;
}

function parseAddress(text: string): string {
  if (!/^(?:\[[0-9a-fA-F:.]+\]|[^:[\]\s/@?#]+):\d{1,5}$/.test(text)) throw new InvalidArgumentError('accepted is host:port, such as 127.0.0.1:9464.');
  return text;
}
