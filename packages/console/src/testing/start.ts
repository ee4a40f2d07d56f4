/** A separate console for each test, with its own embedded Nacos, and real requests to it. */
import { writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { connectNacos, type NacosConnection, type Registration } from '@lane/nacos-registry';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { ask as send, temporaryFolder } from '@lane/testing';
import { onTestFinished } from 'vitest';
import { parseAccounts, startConsole, type ConsoleOptions, type RunningConsole } from '../index.js';

export const ALICE = 'alice-has-a-token-of-her-own';
export const VERA = 'vera-only-looks-at-things-here';

/** Alice is an editor, Vera a viewer. */
export const ACCOUNTS = parseAccounts(`# who works here\nalice editor ${ALICE}\nvera viewer ${VERA}\n`, 'tokens');

/** A response. */
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
  /** Sends a request as the pages do. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Registers an instance. */
  register(service: string, registration: Registration): Promise<void>;
}

/** A minimal build of pages. */
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

/** Sends a request exactly as given. */
export async function ask(port: number, method: string, path: string, body: unknown, headers: Record<string, string>): Promise<Answer> {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const own = payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(payload)) };
  const answer = await send(port, { method, path, headers: { ...own, ...headers }, ...(payload === undefined ? {} : { body: payload }) });
  const { status, body: text } = answer;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = undefined;
  }
  return { status, headers: answer.headers, text, body: parsed };
}
