#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { nearest } from '@lane/core/model';
import { CliError } from './cli-error.js';
import { COMMANDS, HIDDEN_COMMANDS } from './commands/index.js';
import { EXIT } from './exit-codes.js';
import { inFlags } from './flags.js';
import { guardConsole } from './output.js';

const { version } = require('../package.json') as { version: string };

const program = new Command('lane')
  .description('End-to-end canary release (traffic lanes) for Node.js.')
  .version(version)
  .showHelpAfterError('(add --help for the options)')
  .configureHelp({ sortSubcommands: false })
  .enablePositionalOptions();
for (const command of COMMANDS) program.addCommand(command().copyInheritedSettings(program));
for (const command of HIDDEN_COMMANDS) program.addCommand(command(), { hidden: true });

/** Commander does not pass this on to commands added by addCommand. */
function exitOverrideAll(command: Command): void {
  command.exitOverride();
  for (const each of command.commands) exitOverrideAll(each);
}

/** Arguments after `--` belong to the command that is run. */
function wantsJson(): boolean {
  const end = process.argv.indexOf('--');
  return process.argv.slice(0, end === -1 ? undefined : end).includes('--json');
}

function tellAsJson(code: string | undefined, message: string, more: object = {}): void {
  console.log(JSON.stringify({ ok: false, code, message, ...more }, null, 2));
}

/** `lane help foo` would show the help of `lane` instead of reporting an unknown command. */
function expectCommand([first, ...path]: readonly string[]): void {
  if (first !== 'help') return;
  let command = program;
  for (const name of path.filter((word) => !word.startsWith('-'))) {
    const found = command.commands.find((one) => one.name() === name || one.aliases().includes(name));
    if (found === undefined && name !== 'help') {
      // Do not suggest the hidden command of shell completion.
      const names = command.commands.map((one) => one.name()).filter((each) => !each.startsWith('_'));
      const meant = nearest(name, names);
      const whole = command === program ? 'lane' : `lane ${command.name()}`;
      throw new CliError(
        `there is no command ${name}${command === program ? '' : ` of ${whole}`}: ${meant === undefined ? `the commands are ${names.join(', ')}` : `did you mean ${meant}?`}`,
        'ELANE_USAGE',
        EXIT.usage,
      );
    }
    command = found ?? command;
  }
}

/** Options with secret values: other users of this machine can see command lines, so we hide these soon after the start. */
const SECRET_OPTIONS: ReadonlySet<string> = new Set(['--nacos-password', '--token']);
const hideValue = (word: string, option: string): string => (SECRET_OPTIONS.has(option) ? `${option}=…` : word);

function hideSecrets(): void {
  const [node = 'node', program = 'lane', ...given] = process.argv;
  const shown = given.map((word, i) => (SECRET_OPTIONS.has(given[i - 1] ?? '') ? '…' : word.replace(/^(--[a-z-]+)=.*$/s, hideValue)));
  if (shown.some((word, i) => word !== given[i])) process.title = [node, program, ...shown].join(' ');
}

async function main(): Promise<void> {
  hideSecrets();
  try {
    exitOverrideAll(program);
    expectCommand(process.argv.slice(2));
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
      if (error.exitCode !== 0 && wantsJson()) tellAsJson('ELANE_USAGE', error.message.replace(/^error: /, ''));
      return;
    }
    const { code, syscall } = error as NodeJS.ErrnoException;
    const message = inFlags((error as Error).message, (variable) => (process.env[variable] ?? '') === '');
    const expected = error instanceof CliError || code?.startsWith('ELANE_') === true;
    const isAddress = syscall === 'listen' || syscall === 'bind' || syscall === 'getaddrinfo';
    if (wantsJson() && (expected || isAddress)) {
      const { problems } = error as { problems?: unknown };
      tellAsJson(code, message, problems === undefined ? {} : { problems });
    }
    // Errors of the given port or address: EACCES, EADDRNOTAVAIL, ENOTFOUND.
    if (isAddress) console.error(`lane: ${message}: choose another --port or --host`);
    else console.error(`lane: ${expected ? message : String((error as Error).stack ?? error)}`);
    process.exitCode = error instanceof CliError ? error.exitCode : code === 'ELANE_CONFLICT' ? EXIT.conflict : EXIT.failed;
  }
}

guardConsole(console);
void main();
