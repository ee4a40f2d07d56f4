/** Answers to gRPC requests, with the wording of Nacos 2.2. */
import { badRequest, NacosApiError } from '../api-error.js';
import { publicIsNone } from '../api/parameters.js';
import { checkDocument, typeOfDocument } from '../api/configs.js';
import type { Resources } from '../api/call.js';
import { idOf, type ConfigId } from '../config-store.js';
import { keyOf, textsOf, type InstanceInput, type ServiceId } from '../naming-store.js';
import type { GrpcClient } from './grpc-client.js';

type Fields = Readonly<Record<string, unknown>>;
type Handler = (fields: Fields, client: GrpcClient, resources: GrpcResources) => object;

/** What handlers work on. */
export type GrpcResources = Pick<Resources, 'naming' | 'lists' | 'configs'>;

/** `ConfigQueryResponse`: no such document. */
const NOT_FOUND = 300;
const DEFAULT_CLUSTER = 'DEFAULT';
const DEFAULT_GROUP = 'DEFAULT_GROUP';
/** Most services, and most documents, that one connection may subscribe to. */
const MAX_PER_CONNECTION = 10_000;

/** Handlers and answer types, by request type. */
export const HANDLERS: ReadonlyMap<string, { readonly answer: string; readonly handle: Handler; readonly isOpen?: true }> = new Map([
  ['HealthCheckRequest', { answer: 'HealthCheckResponse', handle: () => ({}), isOpen: true }],
  ['InstanceRequest', { answer: 'InstanceResponse', handle: registerOne }],
  ['BatchInstanceRequest', { answer: 'BatchInstanceResponse', handle: registerSeveral }],
  ['PersistentInstanceRequest', { answer: 'InstanceResponse', handle: keepForGood }],
  ['ServiceQueryRequest', { answer: 'QueryServiceResponse', handle: queryService }],
  ['SubscribeServiceRequest', { answer: 'SubscribeServiceResponse', handle: subscribe }],
  ['ServiceListRequest', { answer: 'ServiceListResponse', handle: listServices }],
  ['ConfigQueryRequest', { answer: 'ConfigQueryResponse', handle: queryConfig }],
  ['ConfigPublishRequest', { answer: 'ConfigPublishResponse', handle: publishConfig }],
  ['ConfigRemoveRequest', { answer: 'ConfigRemoveResponse', handle: removeConfig }],
  ['ConfigBatchListenRequest', { answer: 'ConfigChangeBatchListenResponse', handle: listen }],
]);

/** The list of a service as gRPC messages have it: unlike over HTTP, its name is without the group. */
export function serviceInfoOf({ lists }: GrpcResources, id: ServiceId, clusters: string, healthyOnly = false): object {
  return { ...lists.listOf(id, clusters, healthyOnly), name: id.name, groupName: id.group };
}

/** A connection has one registration per service: a second one replaces it. */
function registerOne(fields: Fields, client: GrpcClient, { naming }: GrpcResources): object {
  const id = serviceOf(fields);
  const instance = instanceOf(fields['instance']);
  if (fields['type'] === 'registerInstance') hold(id, [instance], client, naming);
  else if (fields['type'] === 'deregisterInstance') hold(id, [], client, naming);
  else throw badRequest(`Unsupported request type ${textOf(fields['type'])}`);
  return { type: fields['type'] };
}

function registerSeveral(fields: Fields, client: GrpcClient, { naming }: GrpcResources): object {
  const { instances, type } = fields;
  if (type !== 'batchRegisterInstance') throw badRequest(`Unsupported request type ${textOf(type)}`);
  if (!Array.isArray(instances) || instances.length > MAX_PER_CONNECTION) throw badRequest('instances is no list, or too long a one');
  hold(serviceOf(fields), instances.map(instanceOf), client, naming);
  return { type };
}

function hold(id: ServiceId, instances: readonly InstanceInput[], client: GrpcClient, naming: GrpcResources['naming']): void {
  const key = keyOf(id);
  const before = client.held.get(key)?.addresses ?? [];
  if (before.length === 0 && client.held.size >= MAX_PER_CONNECTION) throw badRequest('this connection has registered too much');
  for (const instance of instances) naming.register(id, { ...instance, ephemeral: true, healthy: true }, client);
  const addresses = instances.map(({ ip, port }) => `${ip}:${port}`);
  for (const address of before) if (!addresses.includes(address)) naming.release(id, address, client);
  if (addresses.length === 0) client.held.delete(key);
  else client.held.set(key, { id, addresses });
}

function keepForGood(fields: Fields, _client: GrpcClient, { naming }: GrpcResources): object {
  const instance = instanceOf(fields['instance']);
  if (fields['type'] === 'registerInstance') naming.register(serviceOf(fields), { ...instance, ephemeral: false });
  else naming.deregister(serviceOf(fields), instance.ip, instance.port, false);
  return { type: fields['type'] };
}

function queryService(fields: Fields, _client: GrpcClient, resources: GrpcResources): object {
  return { serviceInfo: serviceInfoOf(resources, serviceOf(fields), textOf(fields['cluster']), fields['healthyOnly'] === true) };
}

function subscribe(fields: Fields, client: GrpcClient, resources: GrpcResources): object {
  const id = serviceOf(fields);
  const clusters = textOf(fields['clusters']);
  if (fields['subscribe'] === true) {
    if (client.subscribed.size >= MAX_PER_CONNECTION) throw badRequest('this connection has subscribed to too much');
    client.subscribed.set(keyOf(id), clusters);
  } else client.subscribed.delete(keyOf(id));
  return { serviceInfo: serviceInfoOf(resources, id, clusters), message: 'success' };
}

function listServices(fields: Fields, _client: GrpcClient, { naming }: GrpcResources): object {
  const names = naming.names(textOf(fields['namespace']) || 'public', textOf(fields['groupName']) || DEFAULT_GROUP);
  const pageNo = Math.max(1, numberOf(fields['pageNo'], 1));
  const pageSize = Math.max(1, numberOf(fields['pageSize'], 100));
  return { count: names.length, serviceNames: names.slice((pageNo - 1) * pageSize, pageNo * pageSize) };
}

function queryConfig(fields: Fields, _client: GrpcClient, { configs }: GrpcResources): object {
  const config = configs.get(documentOf(fields));
  // The Rust binding requires these fields even without content.
  const always = { lastModified: config?.modifiedAt ?? 0, beta: false };
  if (config === undefined) return { ...always, resultCode: 500, errorCode: NOT_FOUND, success: false, message: 'config data not exist' };
  return { ...always, content: config.content, md5: config.md5, contentType: config.type, encryptedDataKey: '' };
}

function publishConfig(fields: Fields, client: GrpcClient, { configs }: GrpcResources): object {
  const key = documentOf(fields);
  const { content, casMd5 } = fields;
  if (typeof content !== 'string') throw badRequest('content is blank : null');
  checkDocument(key, content);
  const addition = textsOf(fields['additionMap']);
  // Even with an MD5 to compare with, a missing document is created (`insertOrUpdateCas`).
  const compares = typeof casMd5 === 'string' && casMd5.trim() !== '' && configs.get(key) !== undefined;
  const published = configs.publish(key, content, {
    type: typeOfDocument(addition['type'] ?? ''),
    appName: addition['appName'] ?? '',
    casMd5: compares ? casMd5 : undefined,
    srcIp: client.address,
    srcUser: addition['src_user'] ?? '',
  });
  if (!published) return { resultCode: 500, errorCode: 500, success: false, message: 'Cas publish fail,server md5 may have changed.' };
  return {};
}

function removeConfig(fields: Fields, client: GrpcClient, { configs }: GrpcResources): object {
  configs.remove(documentOf(fields), client.address, '');
  return {};
}

function listen(fields: Fields, client: GrpcClient, { configs }: GrpcResources): object {
  const { configListenContexts: contexts, listen: isListening } = fields;
  if (!Array.isArray(contexts)) throw badRequest('configListenContexts is no list');
  const changedConfigs: object[] = [];
  for (const context of contexts as readonly unknown[]) {
    const said = objectOf(context);
    const key = documentOf(said);
    if (isListening === false) {
      client.listening.delete(idOf(key));
      continue;
    }
    if (client.listening.size >= MAX_PER_CONNECTION) throw badRequest('this connection listens to too much');
    const md5 = textOf(said['md5']);
    client.listening.set(idOf(key), { tenant: textOf(said['tenant']), md5 });
    if ((configs.get(key)?.md5 ?? '') !== md5) {
      changedConfigs.push({ dataId: key.dataId, group: key.group, tenant: textOf(said['tenant']) });
    }
  }
  return { changedConfigs };
}

function serviceOf(fields: Fields): ServiceId {
  const name = textOf(fields['serviceName']);
  if (name === '') throw badRequest("Param 'serviceName' is required.");
  return { namespace: textOf(fields['namespace']) || 'public', group: textOf(fields['groupName']) || DEFAULT_GROUP, name };
}

function documentOf(fields: Fields): ConfigId {
  const { dataId, group } = fields;
  if (typeof dataId !== 'string' || typeof group !== 'string') throw badRequest("Parameter 'dataId' or 'group' is missing");
  return { tenant: publicIsNone(textOf(fields['tenant'])), dataId, group };
}

/** Untrusted input: checks the type of each field. */
function instanceOf(value: unknown): InstanceInput {
  const { ip, port, weight, healthy, enabled, clusterName, metadata } = objectOf(value);
  if (typeof ip !== 'string' || ip === '') throw badRequest("Param 'ip' is required.");
  return {
    ip,
    port: numberOf(port, 0),
    weight: numberOf(weight, 1),
    healthy: healthy !== false,
    enabled: enabled !== false,
    ephemeral: true,
    cluster: textOf(clusterName) || DEFAULT_CLUSTER,
    metadata: textsOf(metadata),
  };
}

function objectOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function numberOf(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}

/** The answer if a handler refuses. */
export function refusalOf(error: unknown): object {
  const errorCode = error instanceof NacosApiError ? error.status : 500;
  return { resultCode: 500, errorCode, success: false, message: (error as Error).message };
}
