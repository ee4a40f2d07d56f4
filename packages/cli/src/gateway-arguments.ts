/** Parsers of arguments of the gateway's commands. */
import { InvalidArgumentError, Option } from 'commander';
import { NEAR_ACCEPTED, nearPolicy, OUTLIER_ACCEPTED, outlierPolicy } from '@lane/core/agent';
import { isBaggageKey, type NearPolicy, type OutlierPolicy } from '@lane/core/model';
import type { GatewayRoute } from '@lane/gateway';
import { parseDuration } from './arguments.js';

/** Reads `host[/path]=service[:tag]`. */
export function parseRoute(text: string, before: GatewayRoute[] = []): GatewayRoute[] {
  const match = /^([^=/]+)(\/[^=]*)?=([^:=]+)(?::([A-Za-z0-9._-]{1,64}))?$/.exec(text);
  if (match === null) throw new InvalidArgumentError('a route is host[/path]=service[:tag], such as www.example.com/a=spring-cloud-a:gray.');
  const [, host = '', path, service = '', tag] = match;
  return [...before, { host, service, ...(path === undefined ? {} : { path }), ...(tag === undefined ? {} : { tag }) }];
}

/** A key of the baggage header. */
export function parseBaggageKey(text: string): string {
  if (!isBaggageKey(text)) throw new InvalidArgumentError('Must be a key of the W3C baggage header.');
  return text;
}

/** Collects an option that may be repeated. */
export function gather(text: string, before: string[] = []): string[] {
  return [...before, text];
}

/** When to prefer near instances. */
export function parseNear(text: string): NearPolicy {
  const policy = nearPolicy(text);
  if (policy === undefined) throw new InvalidArgumentError(`Must be ${NEAR_ACCEPTED}.`);
  return policy;
}

/** When to eject instances that answer server errors. */
export function parseOutlier(text: string): OutlierPolicy {
  const policy = outlierPolicy(text);
  if (policy === undefined) throw new InvalidArgumentError(`Must be ${OUTLIER_ACCEPTED}.`);
  return policy;
}

/** How long to keep instances that the registry drops in bulk. */
export function registryHoldOption(): Option {
  return new Option(
    '--registry-hold <time>',
    'how long to keep instances that the registry drops in bulk, and lane groups that disappear, since it may have lost them: such as 40s, or off. Default: with Nacos 40s',
  ).argParser((text) => (text === 'off' ? 0 : parseDuration(text)));
}
