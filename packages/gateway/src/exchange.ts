/** One request through the gateway, from its head to the end of its answer. */
import { randomUUID } from 'node:crypto';
import type { Decision, Instance, RequestTag, TagSource } from '@lane/core/model';
import type { RequestView } from '@lane/core/rules';
import type { AccessEntry } from './access-log.js';
import type { Client } from './forwarding.js';
import type { AnyRequest } from './listener.js';
import type { CompiledTarget } from './routes.js';

const ID = /^[\x21-\x7e]{1,128}$/;
const TRACEPARENT = /^[\da-f]{2}-([\da-f]{32})-[\da-f]{16}-[\da-f]{2}/;

/** What is found out of a request while it is under way. */
export class Exchange {
  readonly time = new Date();
  readonly started = performance.now();
  readonly requestId: string;
  readonly traceId: string | undefined;
  target: CompiledTarget | undefined;
  tag: Omit<RequestTag, 'source'> & { readonly source: TagSource | 'route' } = { tag: undefined, source: 'none' };
  decision: Decision | undefined;
  instance: Instance | undefined;
  status = 0;
  bytes = 0;
  retries = 0;
  problem: string | undefined;
  /** Whether the client wants its connection closed. */
  closes = false;

  constructor(
    readonly request: AnyRequest,
    readonly view: RequestView,
    readonly client: Client,
  ) {
    const { headers } = request;
    const told = headers['x-request-id'];
    this.requestId = typeof told === 'string' && ID.test(told) ? told : randomUUID();
    headers['x-request-id'] = this.requestId;
    const { traceparent } = headers;
    this.traceId = typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent)?.[1] : undefined;
  }

  /** What the access log is told. */
  entry(): AccessEntry {
    const { view, client, request, target, tag, decision, instance } = this;
    return {
      time: this.time,
      requestId: this.requestId,
      traceId: this.traceId,
      clientIp: client.ip,
      httpVersion: request.httpVersion,
      method: view.method,
      host: view.host,
      path: view.path,
      status: this.status,
      bytes: this.bytes,
      durationMs: performance.now() - this.started,
      service: target?.key.name,
      instance: instance === undefined ? undefined : addressOf(instance),
      lane: tag.tag,
      source: tag.source,
      rule: tag.rule,
      reason: decision?.reason,
      retries: this.retries,
      problem: this.problem,
    };
  }
}

/** `ip:port`, with brackets around IPv6. */
export function addressOf({ ip, port }: Instance): string {
  return `${ip.includes(':') ? `[${ip}]` : ip}:${port}`;
}
