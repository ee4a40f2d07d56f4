/** The agent cannot patch libraries that a bundler has put into the app's file, and logs that, minified or not. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as Esbuild from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from '../agent/nodes.js';
import { runApp } from '../agent/run-app.js';

const { build } = createRequire(__filename)('esbuild') as typeof Esbuild;

const MINIFIED = '@grpc/grpc-js amqplib async async-lock bluebird bottleneck bull bullmq fastq ioredis kafkajs mysql mysql2 nats p-queue6 pg'.split(
  ' ',
);
const AS_IT_IS = ['asap', 'better-queue', 'fastq', 'memcached', 'memoizee', 'thunky'];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lane-bundled-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** An app with these libraries in its file, or beside it. */
async function bundleOf(libraries: readonly string[], options: Esbuild.BuildOptions): Promise<string> {
  const outfile = join(folder, `${Math.random()}.cjs`);
  const contents = `module.exports = [${libraries.map((name) => `() => require('${name}')`).join()}]; setTimeout(() => {}, 100);`;
  await build({
    stdin: { contents, resolveDir: __dirname },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    logLevel: 'silent',
    ...options,
    external: ['pg-native', ...(options.external ?? [])],
  });
  return outfile;
}

/** The log's lines about bundles. */
async function told(node: string, script: string): Promise<string[] | undefined> {
  const { code, stderr } = await runApp({ node, script, says: [/bundled into the app's own file/] });
  expect(code).toBe(0);
  return /^lane warn: (.*) (?:is|are) bundled into the app's own file/m.exec(stderr)?.[1]?.split(', ');
}

let minified: string;
beforeAll(async () => {
  minified = await bundleOf(MINIFIED, { minify: true });
});

describe.each(nodeVersions())('$name', ({ path: node }) => {
  test('minified', async () => {
    expect(await told(node, minified)).toEqual(expect.arrayContaining(MINIFIED.map((name) => name.replace('p-queue6', 'p-queue'))));
  });

  test('not minified', async () => {
    const found = await told(node, await bundleOf([...AS_IT_IS, 'p-limit3'], {}));
    expect(found).toEqual(expect.arrayContaining(AS_IT_IS));
  });

  test('nothing is logged about external libraries, or those that need no patch', async () => {
    expect(await told(node, await bundleOf(AS_IT_IS, { external: AS_IT_IS }))).toBeUndefined();
    expect(await told(node, await bundleOf(['generic-pool', 'rxjs'], {}))).toBeUndefined();
    expect(await told(node, join(__dirname, 'apps/clients/http.cjs'))).toBeUndefined();
  });
});
