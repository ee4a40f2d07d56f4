/** LANE_CONTEXT=cls: the tag is in the cls-hooked namespace `lane`, for apps that read it there, with 51 concurrent requests of three kinds. */
import { expect } from 'vitest';
import { openRequest, startApp } from '../agent/run-app.js';
import { matrix, type Row } from './table.js';

const ROWS: readonly Row[] = [{ name: 'LANE_CONTEXT=cls', dependency: 'cls-hooked' }];
const KINDS = ['gray', 'blue', undefined];

matrix('Traps', ROWS, async (_, node) => {
  const app = await startApp({
    node: node.path,
    script: '../../matrix/apps/cls-app.cjs',
    env: { LANE_CONTEXT: 'cls' },
    nodeArgs: [],
    cwd: __dirname,
  });
  try {
    const requests = Array.from({ length: 51 }, (__, i) => {
      const tag = KINDS[i % 3];
      return { tag: tag ?? 'none', request: openRequest(app.port, '/', tag === undefined ? {} : { baggage: `lane=${tag}` }) };
    });
    await app.heard('request', 51);
    for (const { tag, request } of requests) expect((await request.end()).body).toBe([tag, tag, tag, tag].join());
  } finally {
    await app.stop();
  }
});
