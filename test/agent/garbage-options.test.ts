/** With garbage in all options at once, the app runs, and each line of the log names an option. */
import { devNull } from 'node:os';
import { describe, expect, test } from 'vitest';
import { AGENT_VARIABLES } from '@lane/core/agent';
import { send, startApp } from './run-app.js';

const GARBAGE = ['\u0007 ;{}', 'http://[::1', '-1', `${devNull}/x`, '%', '{"a":[', '";echo $HOME'];

describe.each([
  ['Nacos', {}],
  ['Kubernetes', { LANE_REGISTRY: 'kubernetes' }],
  ['Kubernetes, with an account that is not there', { LANE_REGISTRY: 'kubernetes', LANE_KUBERNETES_SERVER: 'http://127.0.0.1:9' }],
])('%s', (_, given) => {
  test.each(GARBAGE)('%j', async (value) => {
    const env = { ...Object.fromEntries(AGENT_VARIABLES.map((name) => [name, value])), ...given };
    const app = await startApp({ script: 'late-options.cjs', env });
    try {
      // The last is a tag, too.
      expect((await send(app.port, '/', {})).body).toMatch(/^(?:base|-1)$/);
    } finally {
      await app.stop();
    }
    const lines = app.stderr().split('\n').slice(0, -1);
    expect(lines.length).toBeGreaterThan(10);
    for (const line of lines) {
      expect(line).toMatch(/^lane (?:error|warn): .*(?:LANE_|Kubernetes at )/);
      expect(line).not.toMatch(/defect|could not start/);
    }
  });
});
