/** A percentage that sticks to a cookie, in a gateway that supports it. */
import { exportRules } from '@lane/gateway';
import { expect, test } from 'vitest';
import { freePort } from '@lane/testing/ports';
import { ask, SHOP, sourceOf, startInstances, type Got } from './entry.js';
import type { Proxy } from './proxy.js';

const USERS = 150;

/** Adds the test. */
export function stickyShare(target: string, start: (configuration: string, port: number) => Promise<Proxy>): void {
  test('a percentage of users: each stays in its first lane, whatever else its requests contain', async () => {
    const [group] = SHOP.groups;
    const [lane] = group?.lanes ?? [];
    if (group === undefined || lane === undefined) throw new Error('the shop has no lane');
    const rules = [{ name: 'some', percent: 30, by: { cookie: 'uid' } }];
    const instances = await startInstances(['gray']);
    const port = await freePort();
    const document = { ...SHOP, groups: [{ ...group, lanes: [{ ...lane, rules }] }] };
    const proxy = await start(exportRules(target, sourceOf(instances, document, port)).text, port);
    try {
      let gray = 0;
      for (let user = 0; user < USERS; user++) {
        const names = new Set<string>();
        for (const path of ['/a', '/b?c=d', '/'])
          names.add(((await ask(port, { path, headers: { cookie: `theme=${path.length}; uid=user-${user}` } })) as Got).name);
        expect([...names], `user ${user}`).toHaveLength(1);
        if (names.has('gray')) gray++;
      }
      // Expect 45; these limits are more than 4 standard deviations away.
      expect(gray).toBeGreaterThan(20);
      expect(gray).toBeLessThan(70);
    } finally {
      await proxy.stop();
      await instances.stop();
    }
  });
}
