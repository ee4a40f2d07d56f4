/** Converts the head of an instance's answer for the client. */
import type { IncomingMessage } from 'node:http';
import { endsHere, namedByConnection } from './header-names.js';
import { MAX_HEADERS } from './request-framing.js';

/** Why an answer may not be forwarded; undefined: it may. */
export function answerProblem(answer: IncomingMessage): string | undefined {
  const { statusCode = 0, rawHeaders, httpVersionMajor } = answer;
  if (httpVersionMajor !== 1) return 'its answer is not HTTP/1';
  if (statusCode < 200 || statusCode > 599) return `its answer has the status ${statusCode}`;
  if (rawHeaders.length > MAX_HEADERS * 2) return `its answer has more than ${MAX_HEADERS} header lines`;
  let lengths = 0;
  let codings = 0;
  let coding = '';
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    if (name === 'content-length') lengths++;
    else if (name === 'transfer-encoding') {
      codings++;
      coding = (rawHeaders[i + 1] as string).toLowerCase();
    }
  }
  if (lengths > 1 || codings > 1 || (lengths > 0 && codings > 0)) return 'its answer declares the end of its body twice';
  if (codings > 0 && coding !== 'chunked') return `its answer has the transfer coding ${JSON.stringify(coding)}`;
  return undefined;
}

const VISIBLE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** The reason phrase, if valid. */
export function reasonOf({ statusMessage = '' }: IncomingMessage): string | undefined {
  return statusMessage !== '' && VISIBLE.test(statusMessage) ? statusMessage : undefined;
}

/** Whether an answer with this status has a body, and so may be chunked. */
function mayBeChunked(answer: IncomingMessage, method: string): boolean {
  const { statusCode, headers } = answer;
  return method !== 'HEAD' && statusCode !== 204 && statusCode !== 304 && headers['content-length'] === undefined;
}

/** Header lines for an HTTP/1 client: name, value, name, value. `vary` is added to the answer's own. */
export function answerLines(answer: IncomingMessage, method: string, takesTrailers: boolean, vary: string | undefined): string[] {
  const named = namedByConnection(answer.headers.connection);
  const { rawHeaders } = answer;
  const lines: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    const lower = name.toLowerCase();
    if (endsHere(lower, named) || (lower === 'content-length' && answer.statusCode === 204) || (lower === 'vary' && vary !== undefined)) continue;
    lines.push(name, rawHeaders[i + 1] as string);
  }
  if (vary !== undefined) lines.push('Vary', varyOf(answer, vary));
  const { trailer } = answer.headers;
  if (trailer !== undefined && takesTrailers && mayBeChunked(answer, method)) lines.push('Trailer', trailer);
  return lines;
}

/** The same for an HTTP/2 client. For headers allowed once, the first counts. */
export function answerFields(answer: IncomingMessage, vary: string | undefined): Record<string, string | string[]> {
  const { headers } = answer;
  const named = namedByConnection(headers.connection);
  const fields: Record<string, string | string[]> = {};
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    if (value === undefined || endsHere(name, named) || (name === 'content-length' && answer.statusCode === 204)) continue;
    fields[name] = value;
  }
  if (vary !== undefined) fields['vary'] = varyOf(answer, vary);
  return fields;
}

function varyOf({ headers }: IncomingMessage, vary: string): string {
  const own = headers.vary;
  if (own === undefined || vary === '*') return vary;
  if (own.includes('*')) return '*';
  const there = new Set(own.toLowerCase().split(/\s*,\s*/));
  const more = vary.split(', ').filter((name) => !there.has(name.toLowerCase()));
  return more.length === 0 ? own : `${own}, ${more.join(', ')}`;
}
