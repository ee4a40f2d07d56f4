/** Lines of the access log: what clients write into hosts and paths stays characters. */
import { expect, test } from 'vitest';
import { accessJson, accessLine, type AccessEntry } from './access-log.js';

test('a line contains no cursor movements or line breaks, in text and in JSON', () => {
  const host = 'a\u001b[2J\u009b31m\u202eb\r\nforged';
  const entry: AccessEntry = {
    time: new Date(0),
    requestId: 'id',
    traceId: undefined,
    clientIp: host,
    httpVersion: '1.1',
    method: 'GET',
    host,
    path: '/',
    status: 400,
    bytes: 0,
    durationMs: 1,
    service: undefined,
    instance: undefined,
    lane: undefined,
    source: 'none',
    rule: undefined,
    reason: undefined,
    retries: 0,
    problem: host,
  };
  for (const line of [accessLine(entry), accessJson(entry)]) {
    expect(line).not.toMatch(/[\p{Cc}\u202e]/u);
    expect(line).toContain('\\u009b31m');
  }
  expect(JSON.parse(accessJson(entry))).toMatchObject({ host, clientIp: host, problem: host });
});
