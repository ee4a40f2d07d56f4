import { Command } from 'commander';
import type { DrainReport } from '@lane/core';
import { parsePort, parseSeconds } from '../arguments.js';
import { CliError } from '../cli-error.js';

/** `lane drain`. */
export function drainCommand(): Command {
  return new Command('drain')
    .description('have the app beside take its instances out of the registry, and wait until requests have ended')
    .option('--port <port>', 'LANE_ADMIN_PORT of the app; default: the variable', parsePort)
    .option('--host <host>', 'LANE_ADMIN_HOST of the app', process.env['LANE_ADMIN_HOST'] ?? '127.0.0.1')
    .option('--settle <seconds>', 'how long peers are given at least to hear of it', parseSeconds, 10)
    .option('--deadline <seconds>', 'when it ends, whatever is in flight', parseSeconds, 25)
    .action(drain);
}

interface DrainArguments {
  port?: number;
  host: string;
  settle: number;
  deadline: number;
}

/** Beyond its deadline an app that answers at all has answered. */
const PATIENCE_MS = 5_000;

async function drain({ port, host, settle, deadline }: DrainArguments): Promise<void> {
  const adminPort = port ?? Number(process.env['LANE_ADMIN_PORT'] ?? 0);
  if (!(adminPort > 0)) throw new CliError('the app has no LANE_ADMIN_PORT: set it there and here, or add --port', 'ELANE_NO_ADMIN_PORT', 2);
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${adminPort}/drain`;
  let status: number;
  let text: string;
  try {
    const response = await fetch(`${url}?settleSeconds=${settle}&deadlineSeconds=${deadline}`, {
      method: 'POST',
      signal: AbortSignal.timeout(deadline * 1000 + PATIENCE_MS),
    });
    status = response.status;
    text = (await response.text()).trim();
  } catch (error) {
    const { cause, message } = error as Error;
    const reason = (cause as Error | undefined)?.message ?? message;
    throw new CliError(`nobody answers at ${url}: ${reason}. Is the app running under the agent, with this LANE_ADMIN_PORT?`, 'ELANE_DRAIN');
  }
  if (status !== 200) throw new CliError(`${url} answered ${status}: ${text}`, 'ELANE_DRAIN');
  const { problems, withdrawn, elapsedSeconds } = JSON.parse(text.slice(text.lastIndexOf('\n') + 1)) as DrainReport;
  if (problems.length > 0) throw new CliError(problems.join('; '), 'ELANE_DRAIN');
  console.log(`drained in ${elapsedSeconds} s: ${withdrawn} instances taken out of the registry`);
}
