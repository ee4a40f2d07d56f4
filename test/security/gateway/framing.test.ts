/** What clients may send over HTTP/1: each case is answered or ended correctly, nothing becomes a second request, and the next client is served. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Gateway } from '@lane/gateway';
import { FRAMING_CASES } from './framing-cases.js';
import { askNormally, gatewayTo, sendRaw, startRecorder } from './support.js';

let recorder: Awaited<ReturnType<typeof startRecorder>>;
let gateway: Gateway;
beforeAll(async () => {
  recorder = await startRecorder();
  gateway = await gatewayTo(recorder.port);
});
afterAll(async () => {
  await gateway.close(0);
  recorder.server.closeAllConnections();
  recorder.server.close();
});

describe('a client of HTTP/1 that sends', () => {
  test.each(FRAMING_CASES)('%s', async (_what, sent, status, reaches) => {
    recorder.seen.length = 0;
    const answer = await sendRaw(gateway, sent);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer.match(/^HTTP\/1\.1 /gm)).toHaveLength(1);
    expect(await askNormally(gateway)).toMatch(/saw \/normal$/);
    // The instance may have seen the head of a truncated body.
    const others = recorder.seen.filter((one) => one !== 'GET /normal').length;
    if (!reaches || status === 200) expect(others).toBe(reaches ? 1 : 0);
    else expect(others).toBeLessThanOrEqual(1);
    expect(recorder.seen).not.toContain('GET /smuggled');
  });
});
