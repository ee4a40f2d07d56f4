import type { Connection } from './driver.js';

export interface Answer {
  status: number;
  /** Without parameters, in lower case. */
  contentType: string;
  headers: Headers;
  body: string;
}

export interface RequestOptions {
  query?: Record<string, string | number | boolean>;
  form?: Record<string, string | number | boolean>;
  headers?: Record<string, string>;
}

/** Nacos HTTP v1 on the wire, for what an SDK hides; paths start after `/nacos/v1`. */
export class HttpApi {
  constructor(readonly connection: Connection) {}

  /** A naming request: namespaceId is added. */
  naming(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    return this.request(method, `/ns${path}`, { ...options, query: { namespaceId: this.connection.namespace, ...options.query } });
  }

  /** A config request: tenant is added. */
  config(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    return this.request(method, `/cs${path}`, { ...options, query: { tenant: this.connection.namespace, ...options.query } });
  }

  async request(method: string, path: string, { query = {}, form, headers = {} }: RequestOptions = {}): Promise<Answer> {
    const { address, username, password } = this.connection;
    const credentials = username !== undefined && password !== undefined ? { username, password } : {};
    const response = await fetch(`http://${address}/nacos/v1${path}?${encode({ ...query, ...credentials })}`, {
      method,
      headers,
      ...(form && { body: encode(form) }),
    });
    const body = await response.text();
    const contentType = (response.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
    return { status: response.status, contentType, headers: response.headers, body };
  }
}

function encode(values: Record<string, string | number | boolean>): URLSearchParams {
  const encoded = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) encoded.set(name, String(value));
  return encoded;
}
