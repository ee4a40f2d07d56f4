/** `/ns/service`: services themselves. */
import { badRequest, NacosApiError } from '../api-error.js';
import type { Call, Resources } from './call.js';
import { DEFAULT_GROUP, namespaceOf, required, serviceOf } from './parameters.js';

/** `GET /ns/service/list`: names, by page. */
export function listServices({ parameters }: Call, { naming }: Resources): unknown {
  const pageNo = Number(required(parameters, 'pageNo'));
  const pageSize = Number(required(parameters, 'pageSize'));
  const names = naming.names(namespaceOf(parameters), parameters.get('groupName') || DEFAULT_GROUP);
  return { count: names.length, doms: names.slice((pageNo - 1) * pageSize, pageNo * pageSize) };
}

/** `POST /ns/service` */
export function createService({ parameters }: Call, { naming }: Resources): string {
  const id = serviceOf(parameters);
  if (!naming.create(id)) throw badRequest(`specified service already exists, serviceName : ${id.group}@@${id.name}`);
  return 'ok';
}

/** `GET /ns/service` */
export function getService({ parameters }: Call, { naming }: Resources): unknown {
  const id = serviceOf(parameters);
  if (!naming.names(id.namespace, id.group).includes(id.name)) {
    throw new NacosApiError(404, `service not found, namespace: ${id.namespace}, serviceName: ${id.group}@@${id.name}`);
  }
  return {
    namespaceId: id.namespace,
    groupName: id.group,
    name: id.name,
    protectThreshold: 0,
    metadata: {},
    selector: { type: 'none', contextType: 'NONE' },
    clusters: [],
  };
}
