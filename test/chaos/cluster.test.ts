/**
 * A member of a real cluster of three goes, under load, and no request notices: killed as by a crash, or cut off from the other two while
 * its clients reach it. Beats and what Nacos makes of them are at their real speed.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { realNacosAvailability } from '../servers/real-nacos.js';
import { nacosClusterAvailability } from '../servers/real-nacos-cluster.js';
import { FAULTS } from './faults.js';
import { Rig, type RigFault } from './rig.js';

const { available, reason } = nacosClusterAvailability();
// Where every test has to run, root and Java are enough: a cluster that still can't is a failure.
const isAsked = available || (process.env['CI'] === 'true' && process.getuid?.() === 0 && realNacosAvailability().available);

describe.skipIf(!isAsked)(`a cluster of three Nacos${isAsked ? '' : ` (left out: ${reason})`}`, () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await Rig.start({ nacos: 'cluster', rate: 15, speed: 3, beatSpeed: 1 });
    await rig.untilRight(120);
  }, 600_000);
  afterAll(() => rig?.close());

  test.each([
    ['is cut off from the others for 30 s', 'member partitioned', 30],
    ['is killed, and comes back', 'member killed and back', 20],
  ])('no request strays or fails while a member %s', { timeout: 400_000 }, async (_what, name, seconds) => {
    const { wrong, failed, untilRightS, by, said } = await rig.measure(FAULTS[name] as RigFault, seconds);
    expect({ wrong, failed }, JSON.stringify({ untilRightS, by, said })).toEqual({ wrong: 0, failed: 0 });
  });
});
