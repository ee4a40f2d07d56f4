/** What a start loads: a process pays only for what it uses, and no request waits for what could have been loaded before. */
import { basename } from 'node:path';
import { CLEAN, runProgram } from '@lane/testing';
import { describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { AGENT } from './run-app.js';

const LOADED = 'console.log(JSON.stringify(Object.keys(require.cache)));';

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
