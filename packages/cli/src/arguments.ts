/** Parsers of arguments that several commands take. */
import { InvalidArgumentError } from 'commander';
import { isCidr } from '@lane/core/rules';

/** A port; 0 takes a free one. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError('a port is a number from 0 to 65535.');
  return port;
}

/** Trusted peers: `none`, `all`, or networks. */
export function parseTrust(text: string): 'none' | 'all' | string[] {
  if (text === 'none' || text === 'all') return text;
  const cidrs = text.split(/[\s,]+/).filter((cidr) => cidr !== '');
  const wrong = cidrs.find((cidr) => !isCidr(cidr));
  if (wrong !== undefined || cidrs.length === 0) {
    throw new InvalidArgumentError(
      `${JSON.stringify(wrong ?? text)} is not a network: must be none, all, or a comma-separated list such as 10.0.0.0/8,::1.`,
    );
  }
  return cidrs;
}

/** A count, 1 to 1000. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > 1_000) throw new InvalidArgumentError('Must be a number from 1 to 1000.');
  return count;
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A time such as `500ms`, `3s` or `5m`, in milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const duration = match === null ? NaN : Number(match[1]) * (UNITS[match[2] as string] as number);
  if (!(duration <= 2_147_483_647)) throw new InvalidArgumentError('Must be a number with its unit, such as 500ms, 3s or 5m.');
  return Math.round(duration);
}

/** A limit of concurrent connections or requests. */
export function parseLimit(text: string): number {
  const limit = Number(text);
  if (!/^\d+$/.test(text) || limit < 1 || limit > 1_000_000) throw new InvalidArgumentError('Must be a number from 1 to 1000000.');
  return limit;
}

/** Whole seconds, at most an hour. */
export function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!/^\d+$/.test(text) || seconds > 3600) throw new InvalidArgumentError('Must be a number of seconds from 0 to 3600.');
  return seconds;
}
