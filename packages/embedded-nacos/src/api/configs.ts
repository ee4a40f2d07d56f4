/** `/cs/configs`: reads, writes and watches documents. */
import { badRequest, NacosApiError } from '../api-error.js';
import { idOf, type ConfigId, type StoredConfig } from '../config-store.js';
import type { Call, Resources } from './call.js';
import { sendChanged } from './config-waiters.js';
import { configOf, pageOf, parameter, publicIsNone, tenantOf } from './parameters.js';
import { send } from './send.js';

/** Most documents per call: clients ask for 3,000 at a time (`ParamUtil.getPerTaskConfigSize` of Nacos' client), but a body could list millions. */
const MAX_LISTENED = 10_000;
const VALID_NAME = /^[A-Za-z0-9_.:-]+$/;
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  json: 'application/json',
  xml: 'application/xml',
  html: 'text/html',
  yaml: 'text/plain',
  properties: 'text/plain',
  text: 'text/plain',
  toml: 'text/plain',
};

/** `GET /cs/configs`: one document, or with `search` those whose names match. */
export function getConfig(call: Call, resources: Resources): unknown {
  const { response, parameters } = call;
  if (parameters.has('search')) return searchConfigs(call, resources);
  const config = resources.configs.get(configOf(parameters));
  if (config === undefined) {
    // Not JSON; the real server answers this.
    send(response, 404, 'config data not exist\n', 'application/json');
    return undefined;
  }
  response.setHeader('Config-Type', config.type);
  response.setHeader('Content-MD5', config.md5);
  send(response, 200, config.content, CONTENT_TYPES[config.type] ?? 'text/plain');
  return undefined;
}

/** `POST /cs/configs`; the header `casMd5` makes it a compare-and-set. */
export function publishConfig({ request, parameters }: Call, { configs }: Resources): boolean {
  const key = configOf(parameters);
  const content = parameter(parameters, 'content');
  checkDocument(key, content);
  // A header, as in Nacos 2.3 and later: over HTTP, the form's casMd5 was never read.
  const casMd5 = request.headers['casmd5'];
  const published = configs.publish(key, content, {
    type: typeOfDocument(parameters.get('type') ?? ''),
    appName: parameters.get('appName') ?? '',
    casMd5: typeof casMd5 === 'string' && casMd5 !== '' ? casMd5 : undefined,
    srcIp: request.socket.remoteAddress ?? '',
    srcUser: parameters.get('src_user') ?? '',
  });
  if (!published) throw new NacosApiError(500, 'Cas publish fail, server md5 may have changed.');
  return true;
}

/** `DELETE /cs/configs` */
export function removeConfig({ request, parameters }: Call, { configs }: Resources): boolean {
  configs.remove(configOf(parameters), request.socket.remoteAddress ?? '', '');
  return true;
}

/** `GET /cs/history/configs`: all documents of a tenant. */
export function listConfigs({ parameters }: Call, { configs }: Resources): unknown {
  return configs.search(tenantOf(parameters), '', '', true).map(rowOf);
}

/** `GET /cs/configs/listener`: clients that listen over gRPC. Nacos misspells the name, and also lists those that wait over HTTP. */
export function listListeners({ parameters }: Call, { listeners }: Resources): unknown {
  return { collectStatus: 200, lisentersGroupkeyStatus: listeners(configOf(parameters)) };
}

/** `POST /cs/configs/listener`: answers at once if the client is behind, else at the next change. */
export function listenToConfigs({ request, response, parameters }: Call, { configs, waiters }: Resources): undefined {
  const listening = parameters.get('Listening-Configs');
  if (listening === null || listening === '') throw badRequest('invalid probeModify');
  const documents = new Map<string, string>();
  const behind: string[] = [];
  // Reading one line beyond the limit is enough.
  const lines = listening.split('\x01', MAX_LISTENED + 1);
  if (lines.length > MAX_LISTENED) throw new NacosApiError(413, `more than ${MAX_LISTENED} documents in one listening request`);
  for (const line of lines) {
    if (line === '') continue;
    const [dataId = '', group = '', md5 = '', tenant = ''] = line.split('\x02');
    const echoed = `${[dataId, group, ...(tenant === '' ? [] : [tenant])].join('\x02')}\x01`;
    const key = { tenant: publicIsNone(tenant), group, dataId };
    documents.set(idOf(key), echoed);
    if ((configs.get(key)?.md5 ?? '') !== md5) behind.push(echoed);
  }
  if (behind.length > 0 || request.headers['long-pulling-timeout-no-hangup'] === 'true') sendChanged(response, behind.join(''));
  else waiters.add(request, response, documents);
}

function searchConfigs({ parameters }: Call, { configs }: Resources): unknown {
  const blur = parameters.get('search') === 'blur';
  const found = configs.search(tenantOf(parameters), parameters.get('dataId') ?? '', parameters.get('group') ?? '', blur);
  return pageOf(found.map(rowOf), parameters);
}

/** Throws if a document is empty or has a name that Nacos refuses. */
export function checkDocument({ dataId, group }: ConfigId, content: string): void {
  if (content.trim() === '') throw badRequest(`content is blank : ${content}`);
  if (!VALID_NAME.test(dataId)) throw badRequest(`invalid dataId : ${dataId}`);
  if (!VALID_NAME.test(group)) throw badRequest(`invalid group : ${group}`);
}

/** An unknown type of a document is text. */
export function typeOfDocument(type: string): string {
  return Object.hasOwn(CONTENT_TYPES, type) ? type : 'text';
}

function rowOf(config: StoredConfig): unknown {
  const { id, key, content, md5, type, appName } = config;
  return { id, dataId: key.dataId, group: key.group, content, md5, tenant: key.tenant, appName, type };
}
