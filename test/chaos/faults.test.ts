/**
 * Faults of Nacos that no request may notice, under load, in the short form of the table. Contains only those that pass reliably
 * on a busy machine; `npm run chaos` runs all of them, and prints what happened to the requests.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { FAULTS, QUICK } from './faults.js';
import { Rig, type RigFault } from './rig.js';

let rig: Rig;
beforeAll(async () => {
  // None of these faults is about heartbeats.
  rig = await Rig.start({ ...QUICK, beatSpeed: 1 });
  await rig.untilRight();
});
// The effects of one fault must not reach the next test.
afterEach(({ task }) => (task.result?.state === 'fail' ? rig.untilRight() : undefined));
afterAll(() => rig.close());

describe('no request strays or fails while Nacos', () => {
  test.each([
    ['hangs on reads', 'reads hang'],
    ['answers 500', 'reads 500'],
    ['answers 403', 'reads 403'],
    ['answers 404', 'reads 404'],
    ['answers a web page', 'reads garbage'],
    ['answers garbage for lane groups', 'lane groups garbage'],
  ])('%s', async (_what, name) => {
    const { wrong, failed, met, example } = await rig.measure(FAULTS[name] as RigFault);
    expect(met, 'calls that the fault met').toBeGreaterThan(0);
    expect({ wrong, failed }, example).toEqual({ wrong: 0, failed: 0 });
  });
});
