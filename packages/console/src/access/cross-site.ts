/** What other sites may have the browser of a visitor send. It is decided by headers that pages can't set, never by the path. */
import type { IncomingHttpHeaders } from 'node:http';

/** The header that requests which change something have: pages of other origins can't set it without asking first, which nobody permits. */
export const CONSOLE_HEADER = 'x-lane-console';

const SAFE_METHODS: readonly string[] = ['GET', 'HEAD', 'OPTIONS'];

/** Whether a request may be the work of another site, in the name of whoever visits it. */
export function isCrossSite(method: string, headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'];
  const isOwn = site === undefined || site === 'same-origin' || site === 'none';
  // A link to the console may be followed; nothing of it is loaded into a page of somebody else (W3C Fetch Metadata).
  if (SAFE_METHODS.includes(method)) {
    return !isOwn && !(method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document');
  }
  if (!isOwn || headers[CONSOLE_HEADER] === undefined) return true;
  const { origin, host } = headers;
  return origin !== undefined && hostOf(origin) !== host?.toLowerCase();
}

/**
 * Whether a body is of a type that pages of other sites may send without asking (`text/plain` and those of forms), or of any other that the
 * API does not take. No type is none: then there is no body to be read.
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
