/** One request through the gateway, from its head to the end of its answer. */
import { randomUUID } from 'node:crypto';
import type { Decision, Instance, RequestTag, TagSource } from '@lane/core/model';
import type { RequestView } from '@lane/core/rules';
import type { AccessEntry } from './access-log.js';
import type { CompiledTarget } from './decide/routes.js';
import type { Client } from './forward/client.js';
import type { RequestHead } from './forward/request-framing.js';
import type { AnyRequest } from './listen/listener.js';

const ID = /^[\x21-\x7e]{1,128}$/;
const TRACEPARENT = /^[\da-f]{2}-([\da-f]{32})-[\da-f]{16}-[\da-f]{2}/;

/** What is learnt about a request in flight. */
export class Exchange {
  readonly time = new Date();
  readonly started = performance.now();
  readonly requestId: string;
  readonly traceId: string | undefined;
  target: CompiledTarget | undefined;
  tag: Omit<RequestTag, 'source'> & { readonly source: TagSource | 'route' } = { tag: undefined, source: 'none' };
  decision: Decision | undefined;
  instance: Instance | undefined;
  /** What the choice of its lane depended on, for `Vary`. */
  vary: string | undefined;
  status = 0;
  bytes = 0;
  retries = 0;
  problem: string | undefined;

  constructor(
    readonly request: AnyRequest,
    readonly head: RequestHead,
    readonly view: RequestView,
    readonly client: Client,
  ) {
    const { 'x-request-id': told, traceparent } = request.headers;
    this.requestId = typeof told === 'string' && ID.test(told) ? told : randomUUID();
    this.traceId = typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent)?.[1] : undefined;
  }

  /** The entry for the access log. */
  entry(): AccessEntry {
    const { view, client, request, target, tag, decision, instance } = this;
    const url = request.url ?? '/';
    const question = url.indexOf('?');
    return {
      time: this.time,
      requestId: this.requestId,
      traceId: this.traceId,
      clientIp: client.ip,
      httpVersion: request.httpVersion,
      method: view.method,
      host: view.host,
      path: question === -1 ? url : url.slice(0, question),
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
