import { Command } from 'commander';
import { parsePort } from '../arguments.js';
import { CliError } from '../cli-error.js';

/** `lane drain`. */
export function drainCommand(): Command {
  return new Command('drain')
    .description('have the app beside take its instances out of the registry, and wait until that is done')
    .option('--port <port>', 'LANE_ADMIN_PORT of the app; default: the variable', parsePort)
    .option('--host <host>', 'LANE_ADMIN_HOST of the app', process.env['LANE_ADMIN_HOST'] ?? '127.0.0.1')
    .option('--timeout <seconds>', 'how long to wait', Number, 20)
    .action(drain);
}

async function drain({ port, host, timeout }: { port?: number; host: string; timeout: number }): Promise<void> {
  const adminPort = port ?? Number(process.env['LANE_ADMIN_PORT'] ?? 0);
  if (!(adminPort > 0)) throw new CliError('the app has no LANE_ADMIN_PORT: set it there and here, or add --port', 'ELANE_NO_ADMIN_PORT', 2);
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${adminPort}/drain`;
  let response: Response;
  try {
    response = await fetch(url, { method: 'POST', signal: AbortSignal.timeout(timeout * 1000) });
  } catch (error) {
    const { cause, message } = error as Error;
    throw new CliError(
      `nobody answers at ${url}: ${(cause as Error | undefined)?.message ?? message}. Is the app running under the agent, with this LANE_ADMIN_PORT?`,
      'ELANE_DRAIN',
    );
  }
  const said = (await response.text()).trim();
  if (!response.ok) throw new CliError(`${url} answered ${response.status}: ${said}`, 'ELANE_DRAIN');
  console.log(said === '' ? 'drained' : said);
}
