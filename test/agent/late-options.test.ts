/** Options set after the agent has started: in force if the agent can notice them, otherwise reported in one line. */
import { expect, test } from 'vitest';
import { send, startApp } from './run-app.js';

test.each<[what: string, env: Record<string, string>, lane: string, line: RegExp]>([
  ['PM2, cluster mode', { pm2_env: JSON.stringify({ LANE_TAG: 'gray', LANE_STAMP: 'true', env: {}, instances: 2 }) }, 'gray', /^$/],
  [
    'dotenv',
    { DOTENV: JSON.stringify({ LANE_TAG: 'gray', LANE_STAMP: 'true' }) },
    'base',
    /^lane warn: LANE_TAG=gray, LANE_STAMP=true came after the agent had read its options, and are not in force, so this instance has another tag than it says\. Set them before Node starts: .*\n$/,
  ],
  ['dotenv, of what is set already', { LANE_TAG: 'gray', LANE_STAMP: 'true', DOTENV: JSON.stringify({ LANE_TAG: 'blue' }) }, 'gray', /^$/],
  ['dotenv, of other things', { DOTENV: JSON.stringify({ PORT: '1' }) }, 'base', /^$/],
  ['something in the variable of PM2', { pm2_env: '7' }, 'base', /^$/],
  [
    'a name mistyped',
    { LANE_TAGG: 'gray' },
    'base',
    /^lane error: LANE_TAGG is not an option of the agent and is ignored, so this instance is base: did you mean LANE_TAG\?\n$/,
  ],
])('%s', async (_, env, lane, line) => {
  const app = await startApp({ script: 'late-options.cjs', env });
  try {
    expect((await send(app.port, '/', {})).body).toBe(lane);
    expect(app.stderr()).toMatch(line);
  } finally {
    await app.stop();
  }
});
