/** `/ns/instance`: registrations, beats, lists. */
import { badRequest, NacosApiError } from '../api-error.js';
import { parseMetadata, textsOf, timesOf, type InstanceInput } from '../naming-store.js';
import type { Call, Resources } from './call.js';
import { flagOf, required, serviceOf } from './parameters.js';
import { instanceIdOf } from './service-lists.js';

const DEFAULT_CLUSTER = 'DEFAULT';

/** `POST /ns/instance` */
export function register({ parameters }: Call, { naming }: Resources): string {
  naming.register(serviceOf(parameters), instanceOf(parameters));
  return 'ok';
}

/** `PUT /ns/instance` */
export function update({ parameters }: Call, { naming }: Resources): string {
  naming.update(serviceOf(parameters), instanceOf(parameters));
  return 'ok';
}

/** `DELETE /ns/instance` */
export function deregister({ parameters }: Call, { naming }: Resources): string {
  const id = serviceOf(parameters);
  naming.deregister(id, required(parameters, 'ip'), portOf(parameters), flagOf(parameters, 'ephemeral', true));
  return 'ok';
}

/** `GET /ns/instance` */
export function getInstance({ parameters }: Call, { naming }: Resources): unknown {
  const id = serviceOf(parameters);
  const ip = required(parameters, 'ip');
  const port = portOf(parameters);
  const found = naming.list(id, [clusterOf(parameters)]).find((instance) => instance.ip === ip && instance.port === port);
  if (found === undefined) throw new NacosApiError(404, 'no matched ip found!');
  const { cluster, weight, healthy, metadata } = found;
  return { service: `${id.group}@@${id.name}`, ip, port, clusterName: cluster, weight, healthy, instanceId: instanceIdOf(id, found), metadata };
}

/** `GET /ns/instance/list`: with a `udpPort`, the caller gets pushes from now on. */
export function listInstances({ request, parameters }: Call, { lists, push }: Resources): unknown {
  const id = serviceOf(parameters);
  const clusters = parameters.get('clusters') ?? '';
  const udpPort = Number(parameters.get('udpPort') ?? 0);
  // To the request's source address, not to the clientIP that the client reports, which may be unreachable.
  const peer = request.socket.remoteAddress;
  if (udpPort > 0 && udpPort < 65_536 && peer !== undefined) push.subscribe(id, peer.replace(/^::ffff:/, ''), udpPort, clusters);
  return lists.listOf(id, clusters, parameters.get('healthyOnly') === 'true');
}

/** `PUT /ns/instance/beat`: a full beat (`beat`) registers a forgotten instance again; a light one answers that it must be registered. */
export function beat({ parameters }: Call, { naming }: Resources): unknown {
  const id = serviceOf(parameters);
  const full = beatOf(parameters.get('beat') ?? '');
  const ip = full?.ip ?? parameters.get('ip') ?? '';
  const port = full?.port ?? Number(parameters.get('port') ?? 0);
  const known = naming.beat(id, ip, port, full);
  const metadata = naming.list(id).find((instance) => instance.ip === ip && instance.port === port)?.metadata ?? {};
  return { clientBeatInterval: timesOf(metadata).intervalMs, code: known ? 10_200 : 20_404, lightBeatEnabled: true };
}

function beatOf(text: string): InstanceInput | undefined {
  if (text === '') return undefined;
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    throw new NacosApiError(500, `beat is not JSON: ${text.slice(0, 100)}`);
  }
  // Untrusted input: check the type of each field.
  const { ip, port, cluster, weight, metadata } = (said ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof ip !== 'string') return undefined;
  return {
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

function portOf(parameters: URLSearchParams): number {
  const text = required(parameters, 'port');
  if (!/^-?\d+$/.test(text)) throw badRequest(`For input string: "${text}"`);
  return Number(text);
}

function clusterOf(parameters: URLSearchParams): string {
  return parameters.get('clusterName') || parameters.get('cluster') || DEFAULT_CLUSTER;
}

function weightOf(parameters: URLSearchParams): number {
  const text = parameters.get('weight') || '1';
  if (Number.isNaN(Number(text))) throw badRequest(`For input string: "${text}"`);
  return Number(text);
}
