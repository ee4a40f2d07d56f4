/** What a start loads: a process pays only for what it uses, and no request waits for what could have been loaded before. */
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { CLEAN, runProgram } from '@lane/testing';
import { describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { AGENT } from './run-app.js';

const LOADED = 'console.log(JSON.stringify(Object.keys(require.cache)));';

// V8 checks a literal as it parses the file: it collects all characters of such a class, 0.2 to 0.5 ms in each process. `new RegExp` where it is used costs nothing before.
test('no file of a start has a regular expression of Unicode classes as a literal', () => {
  for (const file of ['agent.js', 'runtime.js']) {
    const text = readFileSync(join(dirname(AGENT), file), 'utf8');
    expect(/(?<!\\)\\p\{.{0,40}/i.exec(text)?.[0], file).toBeUndefined();
  }
});

describe.each(nodeVersions())('$name', ({ path: node }) => {
  async function loadedBy(script: string): Promise<string[]> {
    const { stdout, stderr } = await runProgram(node, ['--require', AGENT, '-e', script], { env: { ...CLEAN, NODE_OPTIONS: '' } });
    expect(stderr).toBe('');
    return (JSON.parse(stdout) as string[]).map((file) => basename(file));
  }

  test('a process that does nothing loads the preload and one file', async () => {
    expect(await loadedBy(LOADED)).toEqual(['register.js', 'agent.js']);
  });

  test('a server loads everything for requests before the first one arrives', async () => {
    const script = `require('node:net').createServer().listen(0, function () { ${LOADED} this.close(); })`;
    expect(await loadedBy(script)).toEqual(['register.js', 'agent.js', 'runtime.js']);
  });

  test('so does a client before the first call', async () => {
    const script = `require('node:http').get('http://127.0.0.1:1').on('error', () => { ${LOADED} })`;
    expect(await loadedBy(script)).toEqual(['register.js', 'agent.js', 'runtime.js']);
  });
});
