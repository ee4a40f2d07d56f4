/** This file is its own test: it must compile like a TypeScript app, with the types of both Express versions. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import express5 from 'express';
import express4 from 'express4';
import { expect, test } from 'vitest';
import { lane, laneHeaders, type RequestTag } from './index.js';

export function typedApps(): void {
  express4()
    .use(lane({ service: 'a', rules: { version: 1, groups: [] } }))
    .get('/', (request, response) => void response.json(request.lane?.rule));
  express5().use('/', lane({ formats: ['mse'] }), express5.Router().use(lane()));
  express5().get('/', (request, response) => {
    const decided: RequestTag | undefined = request.lane;
    // @ts-expect-error not set before the plugin has run
    void request.lane.tag;
    // @ts-expect-error there is no such source
    response.json(decided?.source === 'guess');
    void fetch('http://b', { headers: laneHeaders(new Headers()) });
    void fetch('http://b', { headers: laneHeaders(request.headers) });
  });
  // @ts-expect-error there is no such format
  lane({ formats: ['mes'] });
  // @ts-expect-error there is no such option
  lane({ servce: 'a' });
}

test('apps compile with the types of Express 4 and 5', async () => {
  const tsc = require.resolve('typescript/package.json').replace(/package\.json$/, join('bin', 'tsc'));
  const flags =
    '--ignoreConfig --noEmit --strict --exactOptionalPropertyTypes --target es2023 --module node16 --moduleResolution node16 --esModuleInterop --skipLibCheck --types node'.split(
      ' ',
    );
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, ...flags, __filename]).catch((error: { stdout: string }) => error);
  expect(stdout).toBe('');
});
