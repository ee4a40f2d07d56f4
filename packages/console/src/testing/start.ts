/** A console of a test's own, on an embedded Nacos of its own, and real requests to it. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http, { type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectNacos, type NacosConnection, type Registration } from '@lane/nacos-registry';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { onTestFinished } from 'vitest';
import { parseAccounts, startConsole, type ConsoleOptions, type RunningConsole } from '../index.js';

export const ALICE = 'alice-has-a-token-of-her-own';
export const VERA = 'vera-only-looks-at-things-here';

/** Alice is an editor, Vera a viewer. */
export const ACCOUNTS = parseAccounts(`# who works here\nalice editor ${ALICE}\nvera viewer ${VERA}\n`, 'tokens');

/** What was answered. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  /** The body as JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever the API answers, which the tests look into
  readonly body: any;
}

export interface Started {
  readonly running: RunningConsole;
  readonly connection: NacosConnection;
  /** Asks the console as its pages do. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Registers an instance. */
  register(service: string, registration: Registration): Promise<void>;
}

/** A folder that goes away with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lane-console-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A build of pages as small as can be. */
export function smallPages(): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'index.html'), '<!doctype html><html lang="en"><meta nonce="%NONCE%"><title>Lane</title></html>');
  writeFileSync(join(folder, 'icon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  return folder;
}

export async function start(options: Partial<ConsoleOptions> = {}): Promise<Started> {
  const nacos = await startEmbeddedNacos({ port: 0 });
  onTestFinished(() => nacos.close());
  const connection = connectNacos({ server: nacos.address });
  onTestFinished(() => connection.close());
  const running = await startConsole({ connection, port: 0, pages: smallPages(), ...options });
  onTestFinished(() => running.close());
  return {
    running,
    connection,
    ask: (method, path, body, headers = {}) => ask(running.port, method, path, body, { 'x-lane-console': '1', ...headers }),
    register: (service, registration) => connection.register({ name: service, group: 'DEFAULT_GROUP' }, registration),
  };
}

/** Sends a request just as given. */
export async function ask(port: number, method: string, path: string, body: unknown, headers: Record<string, string>): Promise<Answer> {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const request = http.request({
    port,
    host: '127.0.0.1',
    method,
    path,
    agent: false,
    headers: {
      ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(payload)) }),
      ...headers,
    },
  });
  request.end(payload);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk as string;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = undefined;
  }
  return { status: response.statusCode ?? 0, headers: response.headers, text, body: parsed };
}
