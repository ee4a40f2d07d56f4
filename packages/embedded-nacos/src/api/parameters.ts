/** Reads the parameters that several resources share, and refuses what is wrong with them in the words of Nacos 2.2. */
import type { IncomingMessage } from 'node:http';
import { BodyReader } from '@lane/core/model';
import { badRequest, NacosApiError } from '../api-error.js';
import type { ConfigId } from '../config-store.js';
import type { ServiceId } from '../naming-store.js';

const MAX_BODY_BYTES = 16 * 1024 * 1024;
/** Of all bodies that are being read. */
const MAX_READ_BYTES = 4 * MAX_BODY_BYTES;
/** Calls have some twenty; a body has room for millions, and each takes a hundred times its bytes. */
const MAX_PARAMETERS = 1_000;

/** The group of services that name none. */
export const DEFAULT_GROUP = 'DEFAULT_GROUP';

/** Path, without slashes at its end, and query of a request's target; never throws, and `//` is no host. */
export function targetOf(target: string): [path: string, query: URLSearchParams] {
  // RFC 9112, 3.2.2: a server takes the absolute form, too.
  const absolute = /^https?:\/\/[^/?]*/i.exec(target);
  const local = absolute === null ? target : target.slice(absolute[0].length);
  const mark = local.indexOf('?');
  let path = mark === -1 ? local : local.slice(0, mark);
  while (path.endsWith('/')) path = path.slice(0, -1);
  return [path, new URLSearchParams(mark === -1 ? '' : local.slice(mark + 1))];
}

/** Reads bodies as forms, of all requests together in bounded memory. */
export class Forms {
  readonly #bodies = new BodyReader({ ofOne: MAX_BODY_BYTES, ofAll: MAX_READ_BYTES });

  /** Adds what the body has to what the target has, which goes first. Refuses a body that is too large, or has too many. */
  async readInto(parameters: URLSearchParams, request: IncomingMessage): Promise<void> {
    const body = await this.#bodies.read(request);
    if (body === undefined) throw new NacosApiError(413, `the body is larger than ${MAX_BODY_BYTES} bytes`);
    let count = 1;
    for (let at = body.indexOf('&'); at !== -1; at = body.indexOf('&', at + 1))
      if (++count > MAX_PARAMETERS) throw new NacosApiError(413, `the body has more than ${MAX_PARAMETERS} parameters`);
    for (const [name, value] of new URLSearchParams(body)) if (!parameters.has(name)) parameters.append(name, value);
  }
}

/** A parameter that must be there, as the naming half words it. */
export function required(parameters: URLSearchParams, name: string): string {
  const value = parameters.get(name);
  if (value === null || value === '') throw badRequest(`Param '${name}' is required.`);
  return value;
}

/** A parameter that must be there, as the config half words it; it may be empty. */
export function parameter(parameters: URLSearchParams, name: string): string {
  const value = parameters.get(name);
  if (value === null) throw badRequest(`Parameter '${name}' is missing`);
  return value;
}

/** A parameter that is `true` or anything else. */
export function flagOf(parameters: URLSearchParams, name: string, fallback: boolean): boolean {
  const value = parameters.get(name);
  return value === null || value === '' ? fallback : value === 'true';
}

/** The service that a call is about; its group may be a part of the name (`group@@name`). */
export function serviceOf(parameters: URLSearchParams): ServiceId {
  const text = required(parameters, 'serviceName');
  const at = text.indexOf('@@');
  if (at === 0 || (at > 0 && at === text.length - 2)) {
    throw badRequest(`Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName'`);
  }
  const group = at === -1 ? parameters.get('groupName') || DEFAULT_GROUP : text.slice(0, at);
  return { namespace: namespaceOf(parameters), group, name: at === -1 ? text : text.slice(at + 2) };
}

/** The namespace of a naming call. */
export function namespaceOf(parameters: URLSearchParams): string {
  return parameters.get('namespaceId') || 'public';
}

/** The document that a call is about. */
export function configOf(parameters: URLSearchParams): ConfigId {
  const dataId = parameter(parameters, 'dataId');
  return { tenant: tenantOf(parameters), dataId, group: parameter(parameters, 'group') };
}

/** The namespace of a config call, which names it tenant. */
export function tenantOf(parameters: URLSearchParams): string {
  return publicIsNone(parameters.get('tenant') ?? '');
}

/** The namespace `public` is the empty tenant, whichever way a client writes it. */
export function publicIsNone(tenant: string): string {
  return tenant === 'public' ? '' : tenant;
}

/** The page of a list that `pageNo` and `pageSize` ask for, as the config half answers it. */
export function pageOf(items: readonly unknown[], parameters: URLSearchParams): unknown {
  const pageNumber = Math.max(1, Number(parameters.get('pageNo')) || 1);
  const pageSize = Math.max(1, Number(parameters.get('pageSize')) || 100);
  return {
    totalCount: items.length,
    pageNumber,
    pagesAvailable: Math.ceil(items.length / pageSize),
    pageItems: items.slice((pageNumber - 1) * pageSize, pageNumber * pageSize),
  };
}
