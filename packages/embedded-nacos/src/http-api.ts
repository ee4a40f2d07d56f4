/** The HTTP API v1 of Nacos over the stores: what the npm package `nacos` calls, and what people ask with curl. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { badRequest, NacosApiError } from './api-error.js';
import { createBrowserGuard } from './browser-guard.js';
import { idOf, type ConfigId, type ConfigStore, type HistoryItem, type StoredConfig } from './config-store.js';
import { parseMetadata, textsOf, timesOf, type InstanceInput, type NamingStore, type ServiceId, type StoredInstance } from './naming-store.js';
import type { UdpPush } from './udp-push.js';

/** What the API works on. */
export interface ApiContext {
  readonly naming: NamingStore;
  readonly configs: ConfigStore;
  readonly push: Pick<UdpPush, 'subscribe'>;
  readonly auth: { readonly username: string; readonly password: string } | undefined;
  /** Longest a client may wait for a change, in milliseconds. */
  readonly longPollTimeoutMs: number | undefined;
  /** Names by which clients may call it beside addresses and private names. */
  readonly allowedHosts: readonly string[];
  readonly log: (line: string) => void;
}

/** An API under way. */
export interface Api {
  /** Answers a request. Never throws or rejects, whatever the request is. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** Tells those who wait for a document. */
  configChanged(key: ConfigId): void;
  /** The list of a service as clients get it. */
  listOf(id: ServiceId, clusters: string, healthyOnly?: boolean): { readonly lastRefTime: number };
  /** Answers everybody who waits. */
  close(): void;
}

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly parameters: URLSearchParams;
}
type Handler = (call: Call) => unknown;

const MAX_BODY_BYTES = 16 * 1024 * 1024;
const TOKEN_TTL_S = 18_000;
/** Who logs in more often than this loses the oldest token. */
const MAX_TOKENS = 10_000;
const MIN_LONG_POLL_MS = 10_000;
const DEFAULT_LONG_POLL_MS = 30_000;
/** The server answers a little before the client would give up. */
const LONG_POLL_MARGIN_MS = 500;
/** Far above what clients ask for, and far below what a timer can hold. */
const MAX_LONG_POLL_MS = 600_000;

interface Waiting {
  /** Documents by identity, with how the client wrote them. */
  readonly documents: ReadonlyMap<string, string>;
  readonly answer: (changed: string) => void;
}

/** Makes the API. */
export function createApi(context: ApiContext): Api {
  const { naming, configs, auth } = context;
  const tokens = new Set<string>();
  const waiting = new Set<Waiting>();
  const refusalOf = createBrowserGuard(context.allowedHosts);
  let lastRefTime = 0;

  function listOf(id: ServiceId, clusters: string, healthyOnly = false): { readonly lastRefTime: number } {
    // Later than the one before, whatever the clock says: clients go by it.
    lastRefTime = Math.max(lastRefTime + 1, Date.now());
    const names = clusters.split(',').filter((name) => name !== '');
    const hosts = naming.list(id, names).filter((instance) => instance.enabled && (!healthyOnly || instance.healthy));
    return {
      name: `${id.group}@@${id.name}`,
      groupName: id.group,
      clusters,
      cacheMillis: 10_000,
      hosts: hosts.map((instance) => hostOf(id, instance)),
      lastRefTime,
      checksum: '',
      allIPs: false,
      reachProtectionThreshold: false,
      valid: true,
    } as { readonly lastRefTime: number };
  }

  const routes: Readonly<Record<string, Handler>> = {
    'GET /ns/operator/metrics': () => ({ status: 'UP', serviceCount: naming.serviceCount }),
    'GET /console/health/readiness': () => 'OK',
    'GET /console/health/liveness': () => 'OK',
    'GET /console/server/state': () => ({ version: 'embedded', standalone_mode: 'standalone', function_mode: null }),
    'GET /console/namespaces': () => ({
      code: 200,
      message: null,
      data: [
        { namespace: '', namespaceShowName: 'public', quota: 200, configCount: 0, type: 0 },
        // None is made here: each is there as soon as somebody uses it.
        ...[...naming.namespaces()]
          .filter((id) => id !== 'public')
          .map((id) => ({ namespace: id, namespaceShowName: id, quota: 200, configCount: 0, type: 2 })),
      ],
    }),
    'POST /auth/login': login,
    'POST /auth/users/login': login,

    'POST /ns/instance': ({ parameters }) => {
      naming.register(serviceOf(parameters), instanceOf(parameters));
      return 'ok';
    },
    'PUT /ns/instance': ({ parameters }) => {
      naming.update(serviceOf(parameters), instanceOf(parameters));
      return 'ok';
    },
    'DELETE /ns/instance': ({ parameters }) => {
      const id = serviceOf(parameters);
      naming.deregister(id, required(parameters, 'ip'), portOf(parameters), flagOf(parameters, 'ephemeral', true));
      return 'ok';
    },
    'GET /ns/instance': ({ parameters }) => {
      const id = serviceOf(parameters);
      const ip = required(parameters, 'ip');
      const port = portOf(parameters);
      const found = naming.list(id, [clusterOf(parameters)]).find((instance) => instance.ip === ip && instance.port === port);
      if (found === undefined) throw new NacosApiError(404, 'no matched ip found!');
      const { cluster, weight, healthy, metadata } = found;
      return { service: `${id.group}@@${id.name}`, ip, port, clusterName: cluster, weight, healthy, instanceId: instanceIdOf(id, found), metadata };
    },
    'GET /ns/instance/list': ({ request, parameters }) => {
      const id = serviceOf(parameters);
      const clusters = parameters.get('clusters') ?? '';
      const udpPort = Number(parameters.get('udpPort') ?? 0);
      // To where the request came from, not to the clientIP that the client takes for its own: that one may not reach.
      const peer = request.socket.remoteAddress;
      if (udpPort > 0 && udpPort < 65_536 && peer !== undefined) context.push.subscribe(id, peer.replace(/^::ffff:/, ''), udpPort, clusters);
      return listOf(id, clusters, parameters.get('healthyOnly') === 'true');
    },
    'PUT /ns/instance/beat': beat,
    'GET /ns/service/list': ({ parameters }) => {
      const pageNo = Number(required(parameters, 'pageNo'));
      const pageSize = Number(required(parameters, 'pageSize'));
      const names = naming.names(namespaceOf(parameters), parameters.get('groupName') || DEFAULT_GROUP);
      return { count: names.length, doms: names.slice((pageNo - 1) * pageSize, pageNo * pageSize) };
    },
    'POST /ns/service': ({ parameters }) => {
      const id = serviceOf(parameters);
      if (!naming.create(id)) throw badRequest(`specified service already exists, serviceName : ${id.group}@@${id.name}`);
      return 'ok';
    },
    'GET /ns/service': ({ parameters }) => {
      const id = serviceOf(parameters);
      if (!naming.names(id.namespace, id.group).includes(id.name))
        throw new NacosApiError(404, `service not found, namespace: ${id.namespace}, serviceName: ${id.group}@@${id.name}`);
      return {
        namespaceId: id.namespace,
        groupName: id.group,
        name: id.name,
        protectThreshold: 0,
        metadata: {},
        selector: { type: 'none', contextType: 'NONE' },
        clusters: [],
      };
    },

    'GET /cs/configs': ({ response, parameters }) => {
      if (parameters.has('search')) return searchConfigs(parameters);
      const config = configs.get(configOf(parameters));
      if (config === undefined) {
        // Not JSON; it is what the real server says.
        send(response, 404, 'config data not exist\n', 'application/json');
        return undefined;
      }
      response.setHeader('Config-Type', config.type);
      response.setHeader('Content-MD5', config.md5);
      send(response, 200, config.content, CONTENT_TYPES[config.type] ?? 'text/plain');
      return undefined;
    },
    'POST /cs/configs': ({ request, parameters }) => {
      const key = configOf(parameters);
      const content = parameter(parameters, 'content');
      if (content.trim() === '') throw badRequest(`content is blank : ${content}`);
      if (!VALID_NAME.test(key.dataId)) throw badRequest(`invalid dataId : ${key.dataId}`);
      if (!VALID_NAME.test(key.group)) throw badRequest(`invalid group : ${key.group}`);
      // By a header, as from Nacos 2.3 on: the form's casMd5 was never looked at over HTTP.
      const casMd5 = request.headers['casmd5'];
      const published = configs.publish(key, content, {
        type: typeOf(parameters),
        appName: parameters.get('appName') ?? '',
        casMd5: typeof casMd5 === 'string' && casMd5 !== '' ? casMd5 : undefined,
        srcIp: request.socket.remoteAddress ?? '',
        srcUser: parameters.get('src_user') ?? '',
      });
      if (!published) throw new NacosApiError(500, 'Cas publish fail, server md5 may have changed.');
      return true;
    },
    'DELETE /cs/configs': ({ request, parameters }) => {
      configs.remove(configOf(parameters), request.socket.remoteAddress ?? '', '');
      return true;
    },
    'POST /cs/configs/listener': listen,
    'GET /cs/history': ({ parameters }) => {
      const nid = parameters.get('nid');
      if (nid !== null) {
        const item = configs.historyItem(nid);
        if (item === undefined) throw new NacosApiError(404, `no history of id ${nid}`);
        return historyOf(item, true);
      }
      return pageOf(
        configs.history(configOf(parameters)).map((item) => historyOf(item, false)),
        parameters,
      );
    },
    'GET /cs/history/configs': ({ parameters }) => configs.search(tenantOf(parameters), '', '', true).map(rowOf),
  };

  function login({ parameters }: Call): unknown {
    const username = parameters.get('username');
    if (auth !== undefined && (username !== auth.username || parameters.get('password') !== auth.password))
      throw new NacosApiError(403, 'unknown user!');
    const accessToken = randomUUID();
    tokens.add(accessToken);
    if (tokens.size > MAX_TOKENS) tokens.delete(tokens.values().next().value as string);
    return { accessToken, tokenTtl: TOKEN_TTL_S, globalAdmin: true, username };
  }

  function isAllowed(parameters: URLSearchParams): boolean {
    if (auth === undefined) return true;
    const token = parameters.get('accessToken');
    if (token !== null && token !== '') return tokens.has(token);
    return parameters.get('username') === auth.username && parameters.get('password') === auth.password;
  }

  function beat({ parameters }: Call): unknown {
    const id = serviceOf(parameters);
    const text = parameters.get('beat') ?? '';
    let full: InstanceInput | undefined;
    if (text !== '') {
      let said: unknown;
      try {
        said = JSON.parse(text);
      } catch {
        throw new NacosApiError(500, `beat is no JSON: ${text.slice(0, 100)}`);
      }
      // Whatever is in there is somebody else's: each field is taken only as what it has to be.
      const { ip, port, cluster, weight, metadata } = (said ?? {}) as Readonly<Record<string, unknown>>;
      if (typeof ip === 'string')
        full = {
          ip,
          port: typeof port === 'number' ? port : 0,
          cluster: typeof cluster === 'string' && cluster !== '' ? cluster : DEFAULT_CLUSTER,
          weight: typeof weight === 'number' ? weight : 1,
          metadata: textsOf(metadata),
          healthy: true,
          enabled: true,
          ephemeral: true,
        };
    }
    const ip = full?.ip ?? parameters.get('ip') ?? '';
    const port = full?.port ?? Number(parameters.get('port') ?? 0);
    const known = naming.beat(id, ip, port, full);
    const metadata = naming.list(id).find((instance) => instance.ip === ip && instance.port === port)?.metadata ?? {};
    return { clientBeatInterval: timesOf(metadata).intervalMs, code: known ? 10_200 : 20_404, lightBeatEnabled: true };
  }

  function searchConfigs(parameters: URLSearchParams): unknown {
    const blur = parameters.get('search') === 'blur';
    const found = configs.search(tenantOf(parameters), parameters.get('dataId') ?? '', parameters.get('group') ?? '', blur);
    return pageOf(found.map(rowOf), parameters);
  }

  function listen({ request, response, parameters }: Call): void {
    const listening = parameters.get('Listening-Configs');
    if (listening === null || listening === '') throw badRequest('invalid probeModify');
    const documents = new Map<string, string>();
    const behind: string[] = [];
    for (const line of listening.split('\x01')) {
      if (line === '') continue;
      const [dataId = '', group = '', md5 = '', tenant = ''] = line.split('\x02');
      const echoed = `${[dataId, group, ...(tenant === '' ? [] : [tenant])].join('\x02')}\x01`;
      const key = { tenant: publicIsNone(tenant), group, dataId };
      documents.set(idOf(key), echoed);
      if ((configs.get(key)?.md5 ?? '') !== md5) behind.push(echoed);
    }
    const answer = (changed: string): void => send(response, 200, changed === '' ? '' : `${encodeURIComponent(changed)}\n`, 'application/json');
    if (behind.length > 0 || request.headers['long-pulling-timeout-no-hangup'] === 'true') {
      answer(behind.join(''));
      return;
    }
    const asked = Number(request.headers['long-pulling-timeout'] ?? DEFAULT_LONG_POLL_MS);
    const timeoutMs =
      context.longPollTimeoutMs ??
      Math.min(MAX_LONG_POLL_MS, Math.max(MIN_LONG_POLL_MS, (Number.isFinite(asked) ? asked : DEFAULT_LONG_POLL_MS) - LONG_POLL_MARGIN_MS));
    const one: Waiting = {
      documents,
      answer: (changed) => {
        waiting.delete(one);
        clearTimeout(timer);
        if (!response.writableEnded && !response.destroyed) answer(changed);
      },
    };
    const timer = setTimeout(() => one.answer(''), timeoutMs);
    timer.unref();
    waiting.add(one);
    response.on('close', () => {
      waiting.delete(one);
      clearTimeout(timer);
    });
  }

  async function answer(request: IncomingMessage, response: ServerResponse, path: string, parameters: URLSearchParams): Promise<void> {
    const refusal = refusalOf(request.headers);
    if (refusal !== undefined) throw new NacosApiError(403, refusal);
    if (path === '' || path === '/nacos') {
      send(response, 200, 'An embedded Nacos for development and tests: HTTP API v1, everything in memory.\n', 'text/plain');
      return;
    }
    for (const [name, value] of await readForm(request)) if (!parameters.has(name)) parameters.append(name, value);
    const handler = path.startsWith('/nacos/v1/') ? routes[`${request.method ?? 'GET'} ${path.slice('/nacos/v1'.length)}`] : undefined;
    if (handler === undefined) throw new NacosApiError(404, `the embedded Nacos has no ${request.method ?? ''} ${path}`);
    if (!OPEN_PATHS.test(path) && !isAllowed(parameters)) {
      const message = parameters.has('accessToken') ? 'token invalid!' : parameters.has('username') ? 'unknown user!' : 'user not found!';
      sendJson(response, 403, { timestamp: new Date().toISOString(), status: 403, error: 'Forbidden', message, path });
      return;
    }
    const result = handler({ request, response, parameters });
    if (result === undefined) return;
    if (typeof result === 'string') send(response, 200, result, 'text/plain');
    else sendJson(response, 200, result);
  }

  function handle(request: IncomingMessage, response: ServerResponse): void {
    const [path, parameters] = targetOf(request.url ?? '/');
    answer(request, response, path, parameters)
      .catch((error: unknown) => {
        const status = error instanceof NacosApiError ? error.status : 500;
        if (!(error instanceof NacosApiError)) context.log(`${request.method ?? ''} ${path} failed: ${String((error as Error).stack)}`);
        if (!response.headersSent) send(response, status, `caused: ${(error as Error).message};`, 'text/plain');
        // What was not read of a body that is refused would be taken for the next request.
        if (!request.complete) response.once('finish', () => request.destroy());
      })
      // The answer itself, or the log, failed: that is the end of this connection, and of nothing else.
      .catch(() => response.destroy());
  }

  return {
    handle,
    listOf,
    configChanged(key) {
      const id = idOf(key);
      for (const one of [...waiting]) {
        const echoed = one.documents.get(id);
        if (echoed !== undefined) one.answer(echoed);
      }
    },
    close() {
      for (const one of [...waiting]) one.answer('');
    },
  };
}

/** Path, without slashes at its end, and query of a request's target; never throws, and `//` is no host. */
function targetOf(target: string): [path: string, query: URLSearchParams] {
  // RFC 9112, 3.2.2: a server takes the absolute form, too.
  const absolute = /^https?:\/\/[^/?]*/i.exec(target);
  const local = absolute === null ? target : target.slice(absolute[0].length);
  const mark = local.indexOf('?');
  let path = mark === -1 ? local : local.slice(0, mark);
  while (path.endsWith('/')) path = path.slice(0, -1);
  return [path, new URLSearchParams(mark === -1 ? '' : local.slice(mark + 1))];
}

const DEFAULT_GROUP = 'DEFAULT_GROUP';
const DEFAULT_CLUSTER = 'DEFAULT';
const VALID_NAME = /^[A-Za-z0-9_.:-]+$/;
const OPEN_PATHS = /\/(operator\/metrics|auth\/login|auth\/users\/login|console\/health\/\w+|console\/server\/state)$/;
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  json: 'application/json',
  xml: 'application/xml',
  html: 'text/html',
  yaml: 'text/plain',
  properties: 'text/plain',
  text: 'text/plain',
  toml: 'text/plain',
};

function required(parameters: URLSearchParams, name: string): string {
  const value = parameters.get(name);
  if (value === null || value === '') throw badRequest(`Param '${name}' is required.`);
  return value;
}

/** As the config half words it. */
function parameter(parameters: URLSearchParams, name: string): string {
  const value = parameters.get(name);
  if (value === null) throw badRequest(`Parameter '${name}' is missing`);
  return value;
}

function serviceOf(parameters: URLSearchParams): ServiceId {
  const text = required(parameters, 'serviceName');
  const at = text.indexOf('@@');
  if (at === 0 || (at > 0 && at === text.length - 2)) {
    throw badRequest(`Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName'`);
  }
  const group = at === -1 ? parameters.get('groupName') || DEFAULT_GROUP : text.slice(0, at);
  return { namespace: namespaceOf(parameters), group, name: at === -1 ? text : text.slice(at + 2) };
}

function namespaceOf(parameters: URLSearchParams): string {
  return parameters.get('namespaceId') || 'public';
}

function portOf(parameters: URLSearchParams): number {
  const text = required(parameters, 'port');
  if (!/^-?\d+$/.test(text)) throw badRequest(`For input string: "${text}"`);
  return Number(text);
}

function flagOf(parameters: URLSearchParams, name: string, fallback: boolean): boolean {
  const value = parameters.get(name);
  return value === null || value === '' ? fallback : value === 'true';
}

function clusterOf(parameters: URLSearchParams): string {
  return parameters.get('clusterName') || parameters.get('cluster') || DEFAULT_CLUSTER;
}

function weightOf(parameters: URLSearchParams): number {
  const text = parameters.get('weight') || '1';
  if (Number.isNaN(Number(text))) throw badRequest(`For input string: "${text}"`);
  return Number(text);
}

/** An unknown type of a document is text. */
function typeOf(parameters: URLSearchParams): string {
  const type = parameters.get('type') ?? '';
  return Object.hasOwn(CONTENT_TYPES, type) ? type : 'text';
}

function instanceOf(parameters: URLSearchParams): InstanceInput {
  return {
    ip: required(parameters, 'ip'),
    port: portOf(parameters),
    cluster: clusterOf(parameters),
    weight: weightOf(parameters),
    enabled: flagOf(parameters, 'enabled', flagOf(parameters, 'enable', true)),
    healthy: flagOf(parameters, 'healthy', true),
    ephemeral: flagOf(parameters, 'ephemeral', true),
    metadata: parseMetadata(parameters.get('metadata') ?? undefined),
  };
}

function instanceIdOf(id: ServiceId, { ip, port, cluster }: StoredInstance): string {
  return `${ip}#${port}#${cluster}#${id.group}@@${id.name}`;
}

function hostOf(id: ServiceId, instance: StoredInstance): unknown {
  const { ip, port, cluster, weight, healthy, enabled, ephemeral, metadata } = instance;
  const { intervalMs, timeoutMs, deleteMs } = timesOf(metadata);
  return {
    instanceId: instanceIdOf(id, instance),
    ip,
    port,
    weight,
    healthy,
    enabled,
    ephemeral,
    clusterName: cluster,
    serviceName: `${id.group}@@${id.name}`,
    metadata,
    instanceHeartBeatInterval: intervalMs,
    instanceHeartBeatTimeOut: timeoutMs,
    ipDeleteTimeout: deleteMs,
    instanceIdGenerator: 'simple',
  };
}

/** The namespace `public` is the empty tenant, whichever way a client writes it. */
function publicIsNone(tenant: string): string {
  return tenant === 'public' ? '' : tenant;
}

function tenantOf(parameters: URLSearchParams): string {
  return publicIsNone(parameters.get('tenant') ?? '');
}

function configOf(parameters: URLSearchParams): ConfigId {
  const dataId = parameter(parameters, 'dataId');
  return { tenant: tenantOf(parameters), dataId, group: parameter(parameters, 'group') };
}

function rowOf(config: StoredConfig): unknown {
  const { id, key, content, md5, type, appName } = config;
  return { id, dataId: key.dataId, group: key.group, content, md5, tenant: key.tenant, appName, type };
}

function historyOf(item: HistoryItem, whole: boolean): unknown {
  const { nid, key, content, md5, appName, opType, srcIp, srcUser, at } = item;
  return {
    id: nid,
    lastId: -1,
    dataId: key.dataId,
    group: key.group,
    tenant: key.tenant,
    appName,
    md5: whole ? md5 : null,
    content: whole ? content : null,
    srcIp,
    srcUser,
    opType,
    createdTime: at.toISOString(),
    lastModifiedTime: at.toISOString(),
  };
}

function pageOf(items: readonly unknown[], parameters: URLSearchParams): unknown {
  const pageNumber = Math.max(1, Number(parameters.get('pageNo')) || 1);
  const pageSize = Math.max(1, Number(parameters.get('pageSize')) || 100);
  return {
    totalCount: items.length,
    pageNumber,
    pagesAvailable: Math.ceil(items.length / pageSize),
    pageItems: items.slice((pageNumber - 1) * pageSize, pageNumber * pageSize),
  };
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new NacosApiError(413, `the body is larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

function send(response: ServerResponse, status: number, body: string, type: string): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, { 'Content-Type': `${type};charset=UTF-8`, 'Content-Length': bytes.length });
  response.end(bytes);
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, JSON.stringify(value), 'application/json');
}
