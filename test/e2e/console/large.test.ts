/** The console at the size of a large company, in a real Chromium: services × lanes, and what is shown once Nacos is away. */
import { startConsole, type RunningConsole } from '@lane/console';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { LaneGroupsStore } from '@lane/storage';
import { eventually } from '@lane/testing/eventually';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { missingBrowser, openWindow, startBrowser, type Look } from '../../interop/console/browser.js';
import { fill, isInLanes, laneGroups, laneName, SERVICES, serviceName } from './scale.js';

const mustRun = process.env['CI'] !== undefined && process.env['CI'] !== '' && process.env['CI'] !== 'false';
const missing = missingBrowser();
if (missing !== undefined && mustRun) throw new Error(`${missing}. With CI set, it has to be there`);

/** A small phone. */
const PHONE = { width: 375, height: 812 } as const;

describe.skipIf(missing !== undefined)(`a large registry in the console${missing === undefined ? '' : ` (left out: ${missing})`}`, () => {
  let browser: Browser;
  let nacos: EmbeddedNacos;
  let connection: NacosConnection;
  let store: LaneGroupsStore;
  let running: RunningConsole;
  const contexts: BrowserContext[] = [];

  beforeAll(async () => {
    [browser, nacos] = await Promise.all([startBrowser(), startEmbeddedNacos({ port: 0 })]);
    connection = connectNacos({ server: nacos.address });
    store = new LaneGroupsStore(connection);
    await fill(nacos);
    running = await startConsole({ connection, port: 0 });
  });
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()));
  });
  afterAll(async () => {
    await running?.close();
    await connection?.close();
    await browser?.close();
    await nacos?.close();
  });

  async function open(look: Look = {}, path = '/groups/large'): Promise<{ page: Page; matrix: Locator; rows: Locator; problems: string[] }> {
    await store.replace(laneGroups());
    const { context, page, problems } = await openWindow(browser, look);
    contexts.push(context);
    page.setDefaultTimeout(60_000);
    await page.goto(`${running.url}${path}`);
    const matrix = page.getByRole('region', { name: 'Services and lanes' }).last();
    await matrix.getByRole('rowheader').first().waitFor();
    return { page, matrix, rows: matrix.getByRole('row').filter({ has: page.getByRole('rowheader') }), problems };
  }

  /** Where something stands within the matrix: a banner may move all of it. */
  const placeIn = async (matrix: Locator, locator: Locator): Promise<readonly number[]> => {
    const [own, around] = await Promise.all([locator.boundingBox(), matrix.boundingBox()]);
    if (own === null || around === null) throw new Error('it is not in sight');
    return [Math.round(own.x - around.x), Math.round(own.y - around.y)];
  };

  test('of 300 services those in sight are drawn; the head and the names stay while one scrolls, also by keyboard', async () => {
    const { page, matrix, rows, problems } = await open();
    expect(await rows.count()).toBeLessThan(60);
    expect(await matrix.getByRole('table').getAttribute('aria-rowcount')).toBe(String(SERVICES + 1));
    const head = matrix.getByRole('columnheader', { name: 'Service', exact: true });
    const before = await placeIn(matrix, head);
    await matrix.focus();
    await page.keyboard.press('End');
    const last = matrix.getByRole('rowheader', { name: serviceName(SERVICES - 1) });
    await last.waitFor();
    expect(await rows.count()).toBeLessThan(60);
    expect(await placeIn(matrix, head)).toEqual(before);
    const [nameX] = await placeIn(matrix, last);
    await matrix.evaluate((element) => element.scrollTo({ left: 600, top: element.scrollTop, behavior: 'instant' }));
    await eventually(async () => expect((await placeIn(matrix, last))[0]).toBe(nameX));
    expect(await matrix.evaluate((element) => element.scrollLeft)).toBe(600);
    expect(problems).toEqual([]);
  });

  test('services are found by name, by having a lane, and by being in trouble; names that are cut are told whole', async () => {
    const { page, rows } = await open();
    const services = Array.from({ length: SERVICES }, (_, i) => i);
    const shown = page.getByRole('search').getByRole('status');
    const expectShown = (count: number): Promise<void> =>
      eventually(async () => expect(await shown.textContent()).toBe(`${count} of ${SERVICES} services`));
    await page.getByRole('checkbox', { name: 'Only with a lane' }).check();
    await expectShown(services.filter(isInLanes).length);
    await page.getByRole('checkbox', { name: 'Only with a lane' }).uncheck();
    // The last lane is strict.
    await page.getByRole('checkbox', { name: /^Only trouble/ }).check();
    await expectShown(services.filter((service) => !isInLanes(service)).length);
    await page.getByRole('checkbox', { name: /^Only trouble/ }).uncheck();
    await page.getByRole('searchbox', { name: 'Find a service' }).fill('Settlement');
    await expectShown(SERVICES / 10);
    const cut = rows.getByRole('rowheader').getByRole('link', { name: serviceName(7) });
    expect(await cut.evaluate((element) => element.scrollWidth > element.clientWidth)).toBe(true);
    await cut.hover();
    await page.getByRole('tooltip', { name: serviceName(7) }).waitFor();
    await page.getByRole('searchbox', { name: 'Find a service' }).fill('no such service');
    await page.getByText('No service matches.').waitFor();
    expect(await page.getByRole('table').count()).toBe(0);
  });

  test('a lane is switched off after it was said what that does, and on again by Undo; the notice covers nothing', async () => {
    for (const look of [{}, { viewport: PHONE }]) {
      const { page } = await open(look);
      const enabled = async (): Promise<boolean | undefined> => (await store.read()).document.groups[0]?.lanes[1]?.enabled;
      const lane = page.getByRole('switch', { name: `Lane ${laneName(1)} enabled` });
      await lane.press(' ');
      const dialog = page.getByRole('dialog', { name: `Switch lane ${laneName(1)} off?` });
      await dialog.getByText(/requests tagged canary-02 count as untagged and go to base\. 720 instances of 240 services/).waitFor();
      await page.keyboard.press('Escape');
      await dialog.waitFor({ state: 'hidden' });
      expect([await enabled(), await lane.isChecked()]).toEqual([true, true]);
      await lane.press(' ');
      await dialog.getByRole('button', { name: 'Switch off' }).click();
      const notice = page.getByRole('status').filter({ hasText: `Lane ${laneName(1)} is off` });
      await notice.waitFor();
      expect(await enabled()).toBe(false);
      await dialog.waitFor({ state: 'hidden' });
      // Whatever is at the notice's place belongs to it, or to the header that it is in.
      const box = await notice.boundingBox();
      const header = await page.getByRole('banner').boundingBox();
      const main = await page.getByRole('main').evaluate((element) => Number.parseFloat(getComputedStyle(element).paddingTop));
      expect((box?.y ?? 0) + (box?.height ?? 0)).toBeLessThanOrEqual((header?.height ?? 0) + 1);
      expect(main).toBeGreaterThanOrEqual(header?.height ?? Infinity);
      await notice.getByRole('button', { name: 'Undo' }).press('Enter');
      await eventually(async () => expect(await enabled()).toBe(true));
      await eventually(async () => expect(await lane.isChecked()).toBe(true));
    }
  });

  test('on a phone nothing is wider than the screen, and names leave room for what they are told of', async () => {
    const { page, matrix } = await open({ viewport: PHONE });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(PHONE.width);
    const name = await matrix.getByRole('rowheader').first().boundingBox();
    expect(name?.width).toBeLessThan(PHONE.width / 2);
    await page.getByRole('checkbox', { name: 'Only with a lane' }).press(' ');
    await page.getByText(/^\d+ of 300 services$/).waitFor();
  });

  test('an entry of the menu that is chosen moves nothing', async () => {
    const { page } = await open();
    const links = page.getByRole('navigation', { name: 'Main' }).getByRole('link');
    const boxes = async (): Promise<unknown> =>
      Promise.all(
        (await links.locator('.nav-text').all()).map(async (link) => {
          const box = await link.boundingBox();
          return [box?.x, box?.width];
        }),
      );
    const before = await boxes();
    const left = (await page.getByRole('heading', { level: 1 }).boundingBox())?.x;
    for (const name of ['Explain a request', 'History', 'Lane groups']) {
      await links.filter({ hasText: name }).click();
      const heading = page.getByRole('heading', { level: 1, name });
      await heading.waitFor();
      expect(await boxes()).toEqual(before);
      expect((await heading.boundingBox())?.x).toBe(left);
    }
  });

  // The last one: Nacos does not come back.
  test('with Nacos away the page says since when, and nothing on it is green', async () => {
    const { page, matrix } = await open();
    const dots = matrix.locator('td .dots').first();
    const colour = (): Promise<string> => dots.evaluate((element) => getComputedStyle(element).color);
    const healthy = await colour();
    expect(await page.getByRole('alert').count()).toBe(0);
    await nacos.close();
    await page
      .getByRole('alert')
      .filter({ hasText: /^No answer since .* This page shows what was known then\. \d+ seconds old\./ })
      .waitFor();
    const old = await colour();
    expect(old).not.toBe(healthy);
    expect(old).toBe(await page.getByText('Healthy instances of each service').evaluate((element) => getComputedStyle(element).color));
  });
});
