/** Writes answers. */
import type { ServerResponse } from 'node:http';

/** Answers with a body of this type, in UTF-8. */
export function send(response: ServerResponse, status: number, body: string, type: string): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, { 'Content-Type': `${type};charset=UTF-8`, 'Content-Length': bytes.length });
  response.end(bytes);
}

/** Answers with a value as JSON. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, JSON.stringify(value), 'application/json');
}
