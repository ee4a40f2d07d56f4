import { request as httpRequest, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { text as textOf } from 'node:stream/consumers';
import { Command } from 'commander';
import type { DrainReport } from '@lane/core/agent';
import { parsePort, parseSeconds } from '../arguments.js';
import { CliError } from '../cli-error.js';
import { EXIT } from '../exit-codes.js';
import { counted, printJson } from '../output.js';

/** Nacos clients poll every 10 seconds. */
const SETTLE_SECONDS = 10;

/** `lane drain`. */
export function drainCommand(): Command {
  return new Command('drain')
    .description('deregister the instances of the app on this machine, and wait until its requests have ended')
    .option('--port <port>', 'LANE_ADMIN_PORT of the app; default: the variable', parsePort)
    .option('--host <host>', 'LANE_ADMIN_HOST of the app', process.env['LANE_ADMIN_HOST'] ?? '127.0.0.1')
    .option('--settle <seconds>', `minimum time for peers to notice; default: ${SETTLE_SECONDS}, at most half the deadline`, parseSeconds)
    .option('--deadline <seconds>', 'when to stop waiting, even with requests in flight', parseSeconds, 25)
    .option('--json', 'print the outcome as JSON')
    .action(drain);
}

interface DrainArguments {
  port?: number;
  host: string;
  settle?: number;
  deadline: number;
  json?: boolean;
}

/** An app that answers at all does so by this time after its deadline. */
const PATIENCE_MS = 5_000;

async function drain({ port, host, settle: asked, deadline, json }: DrainArguments): Promise<void> {
  const settle = asked ?? Math.min(SETTLE_SECONDS, Math.floor(deadline / 2));
  const adminPort = port ?? portOfEnvironment();
  if (settle >= deadline)
    throw new CliError(
      `--settle ${settle} leaves no time before --deadline ${deadline}: raise --deadline, or lower --settle`,
      'ELANE_USAGE',
      EXIT.usage,
    );
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${adminPort}/drain`;
  const {
    problems,
    withdrawn,
    elapsedSeconds,
    isRepeated = false,
  } = await ask(url, `?settleSeconds=${settle}&deadlineSeconds=${deadline}`, deadline);
  if (problems.length > 0) throw Object.assign(new CliError(problems.join('; '), 'ELANE_DRAIN'), { problems });
  if (json === true) printJson({ ok: true, withdrawn, elapsedSeconds, repeated: isRepeated });
  else if (isRepeated) console.log(`already drained: ${counted(withdrawn, 'instance')} deregistered before, nothing left to do`);
  else console.log(`drained in ${elapsedSeconds} s: ${counted(withdrawn, 'instance')} deregistered`);
}

function portOfEnvironment(): number {
  const given = process.env['LANE_ADMIN_PORT'] ?? '';
  const port = Number(given);
  if (port > 0) return port;
  const cause = given === '' ? 'LANE_ADMIN_PORT is not set here' : `LANE_ADMIN_PORT is ${given} here, which names no port`;
  throw new CliError(`${cause}: set it to the app's value, or add --port`, 'ELANE_NO_ADMIN_PORT', EXIT.usage);
}

/** Not by `fetch`, which blocks some ports that an app may use. */
async function ask(url: string, query: string, deadlineSeconds: number): Promise<DrainReport> {
  let status: number | undefined;
  let text: string;
  try {
    const request = httpRequest(url + query, { method: 'POST', agent: false, signal: AbortSignal.timeout(deadlineSeconds * 1000 + PATIENCE_MS) });
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    status = response.statusCode;
    text = (await textOf(response)).trim();
  } catch (error) {
    const { name, message } = error as Error;
    const reason = name === 'AbortError' ? 'it took longer than its deadline' : message;
    throw new CliError(`no answer from ${url}: ${reason}. Is the app running under the agent, with this LANE_ADMIN_PORT?`, 'ELANE_DRAIN');
  }
  const report = status === 200 ? reportIn(text) : undefined;
  if (report !== undefined) return report;
  const said = text.split('\n')[0]?.slice(0, 200) ?? '';
  throw new CliError(`${url} answered ${status}: ${said}. Is that the LANE_ADMIN_PORT of the app?`, 'ELANE_DRAIN');
}

/** The last line has the report; undefined if the answer is not from an agent. */
function reportIn(text: string): DrainReport | undefined {
  try {
    const report = JSON.parse(text.slice(text.lastIndexOf('\n') + 1)) as Partial<DrainReport> | null;
    return Array.isArray(report?.problems) ? (report as DrainReport) : undefined;
  } catch {
    return undefined;
  }
}
