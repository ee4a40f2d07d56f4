/** Starts an app whose agent reports its calls, sends it requests of three kinds, and judges the calls. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TRACE_HEADER, type TraceRecord } from '@lane/core/agent';
import { createTagCodec } from '@lane/core/model';
import { CliError } from '../../cli-error.js';
import { EXIT } from '../../exit-codes.js';
import { findAgent, withAgent } from '../../node-options.js';
import { optionsOf, ownEnvironment } from '../subject.js';
import { judge, type TraceJudgement } from './judge.js';

/** The options of a trace. */
export interface TraceOptions {
  readonly command: readonly string[];
  readonly path: string;
  readonly method: string;
  /** Concurrent requests of each kind. */
  readonly requests: number;
  readonly port: number | undefined;
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  readonly data: string | undefined;
  readonly lanes: readonly [string, string];
}

/** The result. */
export interface Trace extends TraceJudgement {
  readonly node: string;
  readonly agent: string;
  readonly port: number;
  /** The app's answers, by status or error code. */
  readonly answers: Readonly<Record<string, number>>;
}

/** Sequential requests of each kind. */
const ALONE = 2;
const START_TIMEOUT_MS = 60_000;
const REQUEST_TIMEOUT_MS = 15_000;
const NO_ANSWER = 'timeout';
const LOOK_EVERY_MS = 25;
/** Silence after which the app counts as done: after its start, after a request, and at the end. */
const QUIET_MS = 200;
const MAX_QUIET_MS = 1_500;
const STOP_TIMEOUT_MS = 3_000;
const REMEMBERED_OUTPUT = 4_000;

/** Runs a trace. Rejects with a CliError if the app does not run. */
export async function runTrace(options: TraceOptions): Promise<Trace> {
  const folder = mkdtempSync(join(tmpdir(), 'lane-doctor-'));
  const app = startApp(options.command, folder);
  try {
    return await trace(options, app, folder);
  } finally {
    await app.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function trace(options: TraceOptions, app: App, folder: string): Promise<Trace> {
  const { port, isTls } = await listeningPort(options, app, folder);
  const run = randomBytes(4).toString('hex');
  const kinds = [undefined, ...options.lanes];
  const answers: Record<string, number> = {};
  const laneHeaders = headersOf(kinds);
  const kindOf = new Map<string, string | undefined>();
  let number = 0;
  const send = async (kind: string | undefined, phase: 's' | 'm'): Promise<string> => {
    const id = `lane-${run}-${phase}${++number}`;
    kindOf.set(id, kind);
    const answer = await request({ options, port, isTls, id, headers: laneHeaders.get(kind) ?? [] });
    answers[answer] = (answers[answer] ?? 0) + 1;
    return answer;
  };
  // First, record the app's own calls.
  await quiet(folder);
  for (let i = 0; i < ALONE; i++) {
    for (const kind of kinds) {
      const answer = await send(kind, 's');
      app.expectRunning();
      if (answer === NO_ANSWER)
        throw new CliError(
          `the app does not answer ${options.method} ${options.path} within ${REQUEST_TIMEOUT_MS / 1_000} s${app.output()}`,
          'ELANE_TRACE',
        );
      await quiet(folder);
    }
  }
  const many = Array.from({ length: options.requests }, () => kinds).flat();
  await Promise.all(many.map((kind) => send(kind, 'm')));
  app.expectRunning();
  await quiet(folder);
  const records = readRecords(folder);
  const agent = records.find((record) => record.kind === 'agent');
  const judgement = judge(records);
  const notes: string[] = [];
  const failed = Object.entries(answers).filter(([answer]) => !/^[23]/.test(answer));
  if (failed.length > 0) {
    const told = failed.map(([answer, count]) => `${count} with ${answer}`).join(', ');
    notes.push(
      `requests failed, ${told}: calls that the app would otherwise have made were not seen. Are --path, --method, --header and --data what it expects?`,
    );
  }
  const disbelieved = records.filter((record) => record.kind === 'request').filter(({ id, tag }) => tag !== (kindOf.get(id) ?? null)).length;
  if (disbelieved > 0) {
    notes.push(
      `${disbelieved} requests have another lane in the app than they were sent in, by LANE_TRUST, LANE_FORMATS_IN, LANE_STAMP or an entry rule; their calls are judged by the lane in the app`,
    );
  }
  return { ...judgement, notes: [...notes, ...judgement.notes], node: agent?.node ?? '', agent: agent?.agent ?? '', port, answers };
}

/** The headers of each kind of request, in the formats that the app reads. */
function headersOf(kinds: ReadonlyArray<string | undefined>): Map<string | undefined, ReadonlyArray<readonly [string, string]>> {
  const { options } = optionsOf(ownEnvironment(process.env, process.cwd()));
  const codec = createTagCodec({ formats: options.formatsIn, baggageKey: options.baggageKey });
  return new Map(
    kinds.map((kind) => {
      if (kind === undefined) return [kind, []];
      const { headers, entries } = codec.wire(kind);
      return [kind, [...headers, ...(entries.length === 0 ? [] : [['baggage', entries.map(([, entry]) => entry).join(',')] as const])]];
    }),
  );
}

interface Sending {
  readonly options: TraceOptions;
  readonly port: number;
  readonly isTls: boolean;
  readonly id: string;
  readonly headers: ReadonlyArray<readonly [string, string]>;
}

/** Sends one; returns the status, or the code of the error. */
function request({ options, port, isTls, id, headers }: Sending): Promise<string> {
  const { method, path, data } = options;
  const filled = (text: string): string => text.replaceAll('{id}', id);
  return new Promise((resolve) => {
    const sent = (isTls ? https : http).request({
      host: 'localhost',
      port,
      path: filled(path),
      method,
      agent: false,
      timeout: REQUEST_TIMEOUT_MS,
      rejectUnauthorized: false,
      headers: Object.fromEntries([
        ...(data === undefined ? [] : [['content-type', 'application/json']]),
        ['x-request-id', id],
        ...options.headers.map(([name, value]) => [name, filled(value)]),
        ...headers,
        [TRACE_HEADER, id],
      ]) as Record<string, string>,
    });
    sent.on('timeout', () => sent.destroy(Object.assign(new Error('no answer in time'), { code: NO_ANSWER })));
    sent.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    sent.on('response', (response) => {
      response.resume();
      response.on('error', () => resolve('cut off'));
      response.on('end', () => resolve(String(response.statusCode)));
    });
    sent.end(data === undefined ? undefined : filled(data));
  });
}

async function listeningPort({ port }: TraceOptions, app: App, folder: string): Promise<{ port: number; isTls: boolean }> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    app.expectRunning();
    const found = new Map(readRecords(folder).flatMap((record) => (record.kind === 'listening' ? [[record.port, record.isTls] as const] : [])));
    if (port !== undefined && found.has(port)) return { port, isTls: found.get(port) === true };
    if (port === undefined && found.size > 0) {
      await quiet(folder);
      const all = new Map(readRecords(folder).flatMap((record) => (record.kind === 'listening' ? [[record.port, record.isTls] as const] : [])));
      const [first, ...more] = all;
      if (more.length === 0 && first !== undefined) return { port: first[0], isTls: first[1] };
      throw new CliError(`the app listens on ${[...all.keys()].join(', ')}: choose one with --port`, 'ELANE_TRACE', EXIT.usage);
    }
    if (Date.now() > deadline) {
      const isLoaded = readRecords(folder).length > 0;
      throw new CliError(
        isLoaded
          ? `the app listens on no HTTP port${port === undefined ? '' : ` ${port}`} after ${START_TIMEOUT_MS / 1_000} s${app.output()}`
          : `the agent is not loaded in the app after ${START_TIMEOUT_MS / 1_000} s: does the command drop NODE_OPTIONS?${app.output()}`,
        'ELANE_TRACE',
      );
    }
    await delay(LOOK_EVERY_MS);
  }
}

/** Waits until the app reports nothing new. */
async function quiet(folder: string): Promise<void> {
  const end = Date.now() + MAX_QUIET_MS;
  let since = Date.now();
  let before = -1;
  while (Date.now() - since < QUIET_MS && Date.now() < end) {
    const now = readdirSync(folder).reduce((bytes, file) => bytes + readFileSync(join(folder, file)).length, 0);
    if (now !== before) since = Date.now();
    before = now;
    await delay(LOOK_EVERY_MS);
  }
}

function readRecords(folder: string): TraceRecord[] {
  return readdirSync(folder).flatMap((file) =>
    readFileSync(join(folder, file), 'utf8')
      .split('\n')
      // The last line may be incomplete.
      .slice(0, -1)
      .map((line) => JSON.parse(line) as TraceRecord),
  );
}

interface App {
  /** Its latest output, to append to a message. */
  output(): string;
  /** Throws if it has ended. */
  expectRunning(): void;
  stop(): Promise<void>;
}

function startApp([command = '', ...args]: readonly string[], folder: string): App {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Its own process group, so that children of a package manager end with it.
    detached: process.platform !== 'win32',
    env: {
      ...process.env,
      NODE_OPTIONS: withAgent(process.env['NODE_OPTIONS'], findAgent(process.cwd())),
      LANE_DOCTOR_TRACE: folder,
      // Keep the agent's admin port from counting as the app's.
      LANE_ADMIN_PORT: '',
    },
  });
  let text = '';
  let ended: string | undefined;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => (text = (text + chunk).slice(-REMEMBERED_OUTPUT)));
  }
  const exited = new Promise<void>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      ended = `${command} can't be run (${error.code ?? error.message})`;
      resolve();
    });
    child.once('close', (code, signal) => {
      ended ??= `the app exited by itself (${signal ?? `exit code ${code}`})`;
      resolve();
    });
  });
  const output = (): string => (text.trim() === '' ? '' : `; it printed:\n${text.trim().split('\n').slice(-20).join('\n')}`);
  return {
    output,
    expectRunning() {
      if (ended !== undefined) throw new CliError(`${ended}${output()}`, 'ELANE_TRACE');
    },
    async stop() {
      if (ended !== undefined) return;
      signalGroup(child, 'SIGTERM');
      const impatient = setTimeout(() => signalGroup(child, 'SIGKILL'), STOP_TIMEOUT_MS);
      await exited;
      clearTimeout(impatient);
    },
  };
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(process.platform === 'win32' ? child.pid : -child.pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}
