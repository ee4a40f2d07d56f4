/** Options of a call are the app's, also where the call is led to another instance; and others may keep them. */
import { describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { appFile, runApp } from './run-app.js';

describe.each(nodeVersions())('$name', ({ path: node }) => {
  test.each([
    ['', [], []],
    [', frozen', [], ['frozen']],
    [' before an addRequest of others that hands them on later', ['--require', appFile('keeps-options.cjs')], []],
  ])('an http.Agent of the app has its options as it gave them, and each call its lane%s', async (_, nodeArgs, args) => {
    const { code, stdout, stderr } = await runApp({ node, script: 'lent-options.cjs', args, nodeArgs, env: { LANE_SERVICES: 'stock' } });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      answers: ['gray', 'base', 'gray', 'gray', 'base', 'gray'],
      interleaved: true,
      isAsGiven: true,
      noted: 56,
    });
  });
});
