/** Reads the parameters that several resources share, and refuses invalid ones with the wording of Nacos 2.2. */
import type { IncomingMessage } from 'node:http';
import { BodyReader } from '@lane/core/model';
import { badRequest, NacosApiError } from '../api-error.js';
import type { ConfigId } from '../config-store.js';
import type { ServiceId } from '../naming-store.js';

const MAX_BODY_BYTES = 16 * 1024 * 1024;
/** For all bodies being read together. */
const MAX_READ_BYTES = 4 * MAX_BODY_BYTES;
/** Calls have about twenty; a body could hold millions, and each takes a hundred times its bytes in memory. */
const MAX_PARAMETERS = 1_000;

/** The group of services that do not name one. */
export const DEFAULT_GROUP = 'DEFAULT_GROUP';

/** Path (without trailing slashes) and query of a request target; never throws, and does not read `//` as a host. */
export function targetOf(target: string): [path: string, query: URLSearchParams] {
  // RFC 9112, 3.2.2: a server accepts the absolute form, too.
  const absolute = /^https?:\/\/[^/?]*/i.exec(target);
  const local = absolute === null ? target : target.slice(absolute[0].length);
  const mark = local.indexOf('?');
  let path = mark === -1 ? local : local.slice(0, mark);
  while (path.endsWith('/')) path = path.slice(0, -1);
  return [path, new URLSearchParams(mark === -1 ? '' : local.slice(mark + 1))];
}

/** Reads bodies as forms, with bounded memory for all requests together. */
export class Forms {
  readonly #bodies = new BodyReader({ ofOne: MAX_BODY_BYTES, ofAll: MAX_READ_BYTES });

  /** Adds the body's parameters to the target's, which take precedence. Refuses a body that is too large or has too many. */
  async readInto(parameters: URLSearchParams, request: IncomingMessage): Promise<void> {
    const body = await this.#bodies.read(request);
    if (body === undefined) throw new NacosApiError(413, `the body is larger than ${MAX_BODY_BYTES} bytes`);
    let count = 1;
    for (let at = body.indexOf('&'); at !== -1; at = body.indexOf('&', at + 1))
      if (++count > MAX_PARAMETERS) throw new NacosApiError(413, `the body has more than ${MAX_PARAMETERS} parameters`);
    for (const [name, value] of new URLSearchParams(body)) if (!parameters.has(name)) parameters.append(name, value);
  }
}

/** A required parameter, with the naming API's error text. */
export function required(parameters: URLSearchParams, name: string): string {
  const value = parameters.get(name);
  if (value === null || value === '') throw badRequest(`Param '${name}' is required.`);
  return value;
}

/** A required parameter, which may be empty, with the config API's error text. */
export function parameter(parameters: URLSearchParams, name: string): string {
  const value = parameters.get(name);
  if (value === null) throw badRequest(`Parameter '${name}' is missing`);
  return value;
}

/** Whether a parameter is `true`; any other value is false. */
export function flagOf(parameters: URLSearchParams, name: string, fallback: boolean): boolean {
  const value = parameters.get(name);
  return value === null || value === '' ? fallback : value === 'true';
}

/** The service of a call; the name may include its group (`group@@name`). */
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

/** The document of a call. */
export function configOf(parameters: URLSearchParams): ConfigId {
  const dataId = parameter(parameters, 'dataId');
  return { tenant: tenantOf(parameters), dataId, group: parameter(parameters, 'group') };
}

/** The namespace of a config call, which calls it tenant. */
export function tenantOf(parameters: URLSearchParams): string {
  return publicIsNone(parameters.get('tenant') ?? '');
}

/** The namespace `public` is the empty tenant, however a client writes it. */
export function publicIsNone(tenant: string): string {
  return tenant === 'public' ? '' : tenant;
}

/** The page of a list for `pageNo` and `pageSize`, in the format of the config API. */
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
