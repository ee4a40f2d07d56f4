/** Detects requests that other sites make a visitor's browser send, by headers that pages can't set, never by the path. */
import type { IncomingHttpHeaders } from 'node:http';

/** The header required for changes: pages of other origins can't set it without a CORS preflight, which the console never permits. */
export const CONSOLE_HEADER = 'x-lane-console';

const SAFE_METHODS: readonly string[] = ['GET', 'HEAD', 'OPTIONS'];

/** Whether another site may have sent a request in the name of its visitor. */
export function isCrossSite(method: string, headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'];
  const isOwn = site === undefined || site === 'same-origin' || site === 'none';
  // Links to the console work, but pages of other sites can't load anything from it (W3C Fetch Metadata).
  if (SAFE_METHODS.includes(method)) {
    return !isOwn && !(method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document');
  }
  if (!isOwn || headers[CONSOLE_HEADER] === undefined) return true;
  const { origin, host } = headers;
  return origin !== undefined && hostOf(origin) !== host?.toLowerCase();
}

/**
 * Whether a body is not JSON: pages of other sites may send `text/plain` and form types without a preflight, and the API accepts no other types
 * either. Without a type, no body is read.
 */
export function isForeignBody({ 'content-type': type }: IncomingHttpHeaders): boolean {
  return type !== undefined && !/^application\/json[ \t]*(?:;|$)/i.test(type);
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined;
  }
}
