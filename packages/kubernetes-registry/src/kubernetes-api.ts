/**
 * A light client of the Kubernetes API: requests, and watches that resume. No SDK: Node's takes longer to load than the
 * whole agent may.
 *
 * Runs inside other people's processes: sockets hold no process alive unless asked to, and everything happens outside any lane.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { IncomingMessage, RequestOptions } from 'node:http';
import { kubernetesServerOf, type Environment } from '@lane/core/agent';
import { runInLane } from '@lane/core/model';
import { KubernetesError } from './kubernetes-error.js';
import { serviceAccountOf, type ServiceAccount } from './service-account.js';

/** The API server's address, and the credentials. */
export interface KubernetesAccess {
  /** Such as `https://10.96.0.1:443`. */
  readonly server: string;
  /** PEM; undefined: the machine's trust store. */
  readonly ca?: string | undefined;
  /** A token, or its file, which is reread because it is rotated. */
  readonly token?: string | undefined;
  readonly tokenFile?: string | undefined;
}

/** One request. */
export interface KubernetesCall {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  /** Another form of the answer, such as metadata only. */
  readonly accept?: string;
}

/** Any answer. */
export interface KubernetesAnswer {
  readonly status: number;
  readonly body: unknown;
  /** `Warning` headers, in order of arrival. */
  readonly warnings: readonly string[];
}

const REQUEST_TIMEOUT_MS = 10_000;
/** The API server ends a watch after 5 to 10 minutes; one that is silent for longer than the bookmark interval is dead. */
const WATCH_SILENCE_MS = 11 * 60_000;

type Http = typeof import('node:http');
type HttpAgent = InstanceType<Http['Agent']>;

/** The folder of a pod's service account: files `token`, `ca.crt` and `namespace`. */
export const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

/** How a pod reaches the API server: with its service account. undefined outside a cluster; throws if the account's files are missing. */
export function accessInCluster(environment: Environment, folder: string = SERVICE_ACCOUNT_FOLDER): KubernetesAccess | undefined {
  const server = kubernetesServerOf(environment);
  return server === undefined ? undefined : accessByAccount(server, folder);
}

/** How to reach a server with the files of a service account. Throws if they are missing, unless the server needs no authentication (`http:`). */
export function accessByAccount(server: string, folder: string = SERVICE_ACCOUNT_FOLDER): KubernetesAccess {
  if (server.startsWith('http:') && !existsSync(`${folder}/token`)) return { server };
  return { server, ca: readFileSync(`${folder}/ca.crt`, 'utf8'), tokenFile: `${folder}/token` };
}

/** The namespace of the pod, or undefined outside a cluster. */
export function namespaceInCluster(folder: string = SERVICE_ACCOUNT_FOLDER): string | undefined {
  try {
    return readFileSync(`${folder}/namespace`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** The client. */
export class KubernetesApi {
  readonly server: string;
  readonly #url: URL;
  readonly #access: KubernetesAccess;
  readonly #holdProcess: boolean;
  #agent: HttpAgent | undefined;
  /** Watches have their own connections, so that requests need not wait for them. */
  #watchAgent: HttpAgent | undefined;

  constructor(access: KubernetesAccess, options: { holdProcess?: boolean } = {}) {
    this.#access = access;
    this.#url = new URL(access.server);
    this.server = this.#url.origin;
    this.#holdProcess = options.holdProcess ?? false;
  }

  /** Sends one request. Rejects with `ELANE_KUBERNETES` if the server can't be reached or refuses, except for 404 and 409, which are answers. */
  async request(call: KubernetesCall): Promise<KubernetesAnswer> {
    const response = await this.#send(call, REQUEST_TIMEOUT_MS);
    let text = '';
    response.setEncoding('utf8');
    for await (const chunk of response) text += chunk as string;
    const body: unknown = parse(text);
    const status = response.statusCode ?? 0;
    if (status >= 400 && status !== 404 && status !== 409) throw KubernetesError.ofAnswer(this.server, call, status, body);
    const warning = response.headersDistinct['warning'] ?? [];
    return { status, body, warnings: warning.map((line) => /^\d+ \S+ "((?:[^"\\]|\\.)*)"/.exec(line)?.[1]?.replace(/\\(.)/g, '$1') ?? line) };
  }

  /**
   * Reads a watch to its end, passing each event to `onEvent`. Resolves if the server ends it normally; rejects if the connection is lost,
   * the server refuses, or `onEvent` throws.
   */
  async watch(call: KubernetesCall, { onOpen, onEvent }: WatchReader, signal: AbortSignal): Promise<void> {
    const response = await this.#send(call, WATCH_SILENCE_MS, signal);
    response.setEncoding('utf8');
    const status = response.statusCode ?? 0;
    if (status >= 400) {
      let text = '';
      for await (const chunk of response) text += chunk as string;
      throw KubernetesError.ofAnswer(this.server, call, status, parse(text));
    }
    onOpen?.();
    let rest = '';
    for await (const chunk of response) {
      const lines = (rest + (chunk as string)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line !== '') onEvent(JSON.parse(line) as WatchEvent);
    }
  }

  /** The account of its token, for messages; undefined if the token does not name it. */
  get account(): ServiceAccount | undefined {
    try {
      return serviceAccountOf(this.#token());
    } catch {
      return undefined;
    }
  }

  /** Ends its connections. */
  close(): void {
    this.#agent?.destroy();
    this.#watchAgent?.destroy();
    this.#agent = undefined;
    this.#watchAgent = undefined;
  }

  /** Reread each time, because the kubelet rotates it. Throws if its file is gone. */
  #token(): string | undefined {
    const { token, tokenFile } = this.#access;
    return tokenFile === undefined ? token : readFileSync(tokenFile, 'utf8').trim();
  }

  #send(
    { method = 'GET', path, body, contentType = 'application/json', accept = 'application/json' }: KubernetesCall,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<IncomingMessage> {
    const isTls = this.#url.protocol === 'https:';
    const http = (isTls ? require('node:https') : require('node:http')) as Http;
    const connect = (maxSockets: number): HttpAgent =>
      new http.Agent({ keepAlive: true, maxSockets, ...(this.#access.ca === undefined ? {} : { ca: this.#access.ca }) } as never);
    const agent = signal === undefined ? (this.#agent ??= connect(10)) : (this.#watchAgent ??= connect(Infinity));
    const content = body === undefined ? undefined : JSON.stringify(body);
    const token = this.#token();
    const options: RequestOptions = {
      agent,
      host: this.#url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: this.#url.port === '' ? (isTls ? 443 : 80) : Number(this.#url.port),
      method,
      path,
      headers: {
        accept,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(content === undefined ? {} : { 'content-type': contentType, 'content-length': Buffer.byteLength(content) }),
      },
      timeout: timeoutMs,
      ...(signal === undefined ? {} : { signal }),
    };
    return new Promise((resolve, reject) => {
      runInLane(undefined, () => {
        const request = http.request(options, resolve);
        request.on('error', (error: NodeJS.ErrnoException) => reject(KubernetesError.ofOutage(this.server, error)));
        // Without a listener, Node silently ends a connection that answers with 101.
        request.on('upgrade', (_, socket) => {
          socket.destroy();
          reject(KubernetesError.ofOutage(this.server, new Error('it answers with 101')));
        });
        request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
        if (!this.#holdProcess) request.on('socket', (socket) => socket.unref());
        request.end(content);
      });
    });
  }
}

/** The reader of a watch. */
export interface WatchReader {
  /** The server has accepted the watch. */
  onOpen?(): void;
  onEvent(event: WatchEvent): void;
}

/** An event of a watch. */
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: unknown;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
