import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { isTag, TAG_RULE } from '@lane/core/model';
import { CliError } from '../cli-error.js';
import { findAgent, withAgent } from '../node-options.js';

/** `lane run`. */
export function runCommand(): Command {
  return new Command('run')
    .description('run a command under the agent: lane run --tag gray -- node app.js')
    .argument('<command...>', 'the command, after --')
    .option('--tag <tag>', 'tag of this instance (LANE_TAG)', parseTag)
    .option('--service <name>', 'name of the service (LANE_SERVICE)')
    .passThroughOptions()
    .action(run);
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const;

async function run([command = '', ...args]: string[], given: { tag?: string; service?: string }): Promise<void> {
  const env: NodeJS.ProcessEnv = { ...process.env, NODE_OPTIONS: withAgent(process.env['NODE_OPTIONS'], findAgent(process.cwd())) };
  if (given.tag !== undefined) env['LANE_TAG'] = given.tag;
  if (given.service !== undefined) env['LANE_SERVICE'] = given.service;
  const child = spawn(command, args, { stdio: 'inherit', env });
  // A terminal sends its signals to both processes; except for Ctrl-C, the child may get them twice, as from any supervisor.
  for (const signal of SIGNALS) process.on(signal, () => void (process.stdin.isTTY && signal === 'SIGINT' ? undefined : child.kill(signal)));
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(new CliError(`${command} can't be run (${error.code ?? error.message})`, 'ELANE_RUN', 127)),
    );
    child.once('exit', (exitCode, exitSignal) => resolve([exitCode, exitSignal]));
  });
  // As shells report a signal.
  process.exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal];
}

function parseTag(text: string): string {
  if (!isTag(text)) throw new InvalidArgumentError(`Must be ${TAG_RULE}.`);
  return text;
}
