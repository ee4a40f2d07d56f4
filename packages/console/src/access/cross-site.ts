import type { IncomingHttpHeaders } from 'node:http';

/** The header that requests which change something have: pages of other origins can't set it without asking first, which nobody permits. */
export const CONSOLE_HEADER = 'x-lane-console';

const SAFE_METHODS: readonly string[] = ['GET', 'HEAD', 'OPTIONS'];

/** Whether a request may be the work of another site, in the name of whoever visits it. */
export function isCrossSite(method: string, headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'];
  if (SAFE_METHODS.includes(method)) return false;
  if (headers[CONSOLE_HEADER] === undefined) return true;
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  const { origin, host } = headers;
  return origin !== undefined && hostOf(origin) !== host?.toLowerCase();
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined;
  }
}
