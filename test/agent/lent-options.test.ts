/** The options of a call belong to the app, even if the call goes to another instance; and others may keep them. */
import { describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { appFile, runApp } from './run-app.js';

describe.each(nodeVersions())('$name', ({ path: node }) => {
  test.each([
    ['', [], []],
    [', frozen', [], ['frozen']],
    [' with another addRequest that passes them on later', ['--require', appFile('keeps-options.cjs')], []],
  ])("the app's http.Agent gets the options as the app gave them, and each call keeps its lane%s", async (_, nodeArgs, args) => {
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
