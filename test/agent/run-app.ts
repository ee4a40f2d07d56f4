import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { resolve } from 'node:path';

/** The published agent. */
export const AGENT = require.resolve('@lane/agent');

/** Options of an app. */
export interface AppOptions {
  readonly node?: string;
  /** In test/agent/apps. */
  readonly script: string;
  readonly args?: readonly string[];
  /** How the agent is loaded. Default `--require`. */
  readonly load?: '--require' | '--import' | 'NODE_OPTIONS' | 'none';
  /** Further files to preload, after the agent. */
  readonly preload?: readonly string[];
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly agent?: string;
  /** Its working folder, from which packages are resolved; default test/agent. */
  readonly cwd?: string;
  /** Expected lines of the agent's log; each line must match one. */
  readonly says?: readonly RegExp[];
}

/** A running app. */
export interface App {
  readonly port: number;
  /** By name, if an app has several servers. */
  readonly ports: Readonly<Record<string, number>>;
  readonly child: ChildProcess;
  stderr(): string;
  /** Resolves when the app has sent `count` messages of this kind since the last call. */
  heard(kind: string, count: number): Promise<void>;
  stop(): Promise<void>;
}

/** Longer than all tests of a file, which may share an app; to end what an aborted test left. */
const HARD_LIMIT_MS = 1_800_000;
const running = new Set<ChildProcess>();
const logs: Array<() => string[]> = [];

/** Unexpected log lines of the agents of apps started since the last call. */
export function unexpectedLines(): string[] {
  return logs.splice(0).flatMap((linesOf) => linesOf());
}

/** A line of the agent's log, in either format. */
const OF_AGENT = /^lane \w+: |^\{"time":"[^"]*","level":"\w+","name":"lane",/;

process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** The path of an app. */
export function appFile(name: string): string {
  return resolve(__dirname, 'apps', name);
}

/** Starts an app; resolves once it reports its port. */
export async function startApp(options: AppOptions): Promise<App> {
  const { child, stderr, ended } = launch(options);
  const counts = new Map<string, number>();
  const waiting: Array<() => void> = [];
  let port: number | undefined;
  const ports: Record<string, number> = {};
  child.on('message', (message: { port?: number; ports?: Record<string, number>; kind?: string }) => {
    if (message.port !== undefined) port = message.port;
    Object.assign(ports, message.ports);
    if (message.kind !== undefined) counts.set(message.kind, (counts.get(message.kind) ?? 0) + 1);
    for (const wake of waiting.splice(0)) wake();
  });
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) {
      const woken = new Promise<void>((resolve) => waiting.push(resolve));
      const result = await Promise.race([woken, ended.then((code) => ({ code }))]);
      if (result !== undefined) throw new Error(`${options.script} exited with code ${result.code}: ${stderr()}`);
    }
  };
  await until(() => port !== undefined);
  return {
    port: port as unknown as number,
    ports,
    child,
    stderr,
    async heard(kind, count) {
      await until(() => (counts.get(kind) ?? 0) >= count);
      counts.set(kind, (counts.get(kind) ?? 0) - count);
    },
    async stop() {
      child.kill();
      await ended;
    },
  };
}

/** Runs an app to its end. */
export async function runApp(options: AppOptions): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { child, stderr, ended } = launch(options, false);
  let stdout = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  const code = await ended;
  return { code, stdout, stderr: stderr() };
}

function launch(options: AppOptions, withChannel = true): { child: ChildProcess; stderr: () => string; ended: Promise<number | null> } {
  const { load = '--require', agent = AGENT, preload = [], nodeArgs = [], node = process.execPath } = options;
  const args = [...nodeArgs];
  if (load === '--require') args.push('--require', agent);
  if (load === '--import') args.push('--import', agent);
  for (const file of preload) args.push('--require', appFile(file));
  const child = spawn(node, [...args, appFile(options.script), ...(options.args ?? [])], {
    // The folder from which the apps' dependencies resolve.
    cwd: options.cwd ?? __dirname,
    env: { ...cleanEnvironment(), ...(load === 'NODE_OPTIONS' ? { NODE_OPTIONS: `--require ${JSON.stringify(agent)}` } : {}), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', ...(withChannel ? (['ipc'] as const) : [])],
  });
  running.add(child);
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  logs.push(() =>
    stderr
      .split('\n')
      .filter((line) => OF_AGENT.test(line) && options.says?.some((said) => said.test(line)) !== true)
      .map((line) => `${options.script} ${options.args?.join(' ') ?? ''}: ${line}`),
  );
  const limit = setTimeout(() => {
    stderr += `\n(killed after ${HARD_LIMIT_MS / 1_000} s)`;
    child.kill('SIGKILL');
  }, HARD_LIMIT_MS);
  limit.unref();
  const ended = once(child, 'close').then(([code]) => {
    clearTimeout(limit);
    running.delete(child);
    return code as number | null;
  });
  return { child, stderr: () => stderr, ended };
}

function cleanEnvironment(): Record<string, string | undefined> {
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LANE_') && !name.startsWith('VITEST')));
  return { ...environment, NODE_OPTIONS: '', NODE_NO_WARNINGS: '1' };
}

/** A request whose body is held back until `end`, over its own connection or one of `agent`. */
export function openRequest(
  port: number,
  path: string,
  headers: Record<string, string>,
  agent?: http.Agent | https.Agent,
): {
  end(body?: string): Promise<{ status: number; body: string; headers: http.IncomingHttpHeaders }>;
  /** The result of `end`; rejects at once if the connection fails. */
  readonly answered: Promise<unknown>;
} {
  const request = (agent instanceof https.Agent ? https : http).request({
    host: '127.0.0.1',
    port,
    path,
    method: 'POST',
    headers: { ...headers, 'transfer-encoding': 'chunked' },
    agent: agent ?? false,
  });
  request.flushHeaders();
  const answered = new Promise<{ status: number; body: string; headers: http.IncomingHttpHeaders }>((resolve, reject) => {
    request.on('error', reject);
    request.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }));
    });
  });
  // Reported at `end`, not before.
  answered.catch(() => {});
  return {
    answered,
    end(body = 'late body') {
      request.end(body);
      return answered;
    },
  };
}

/** An ordinary request, without a delay. */
export async function send(
  port: number,
  path: string,
  headers: Record<string, string> = {},
  agent?: http.Agent | https.Agent,
): Promise<{ status: number; body: string; headers: http.IncomingHttpHeaders }> {
  return openRequest(port, path, headers, agent).end();
}
