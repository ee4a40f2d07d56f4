/** The console at the size of a large company, in a real Chromium: services × lanes, and the display while Nacos is down. */
import { startConsole, type RunningConsole } from '@lane/console';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { LaneGroupsStore } from '@lane/storage';
import { eventually } from '@lane/testing/eventually';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { missingBrowser, openWindow, startBrowser, type Look } from '../../interop/console/browser.js';
import { fill, isInLanes, laneGroups, laneName, SERVICES, serviceName } from './scale.js';

const mustRun = process.env['CI'] !== undefined && process.env['CI'] !== '' && process.env['CI'] !== 'false';
const missing = missingBrowser();
if (missing !== undefined && mustRun) throw new Error(`${missing}. With CI set, it has to be there`);

/** A small phone. */
const PHONE = { width: 375, height: 812 } as const;

describe.skipIf(missing !== undefined)(`a large registry in the console${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
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

  /** The position of an element within the matrix: a banner may move all of it. */
  const placeIn = async (matrix: Locator, locator: Locator): Promise<readonly number[]> => {
    const [own, around] = await Promise.all([locator.boundingBox(), matrix.boundingBox()]);
    if (own === null || around === null) throw new Error('it is not in sight');
    return [Math.round(own.x - around.x), Math.round(own.y - around.y)];
  };

  test('renders only the visible ones of 300 services; header and names stay while scrolling, also by keyboard', async () => {
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

  test('finds services by name, by lane and by problems, and shows truncated names in full', async () => {
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

  test('switching a lane off first explains the effect, and Undo switches it on again; the notice covers nothing', async () => {
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
      // Any element at the notice's position belongs to it, or to its header. A banner may come or go between two looks.
      await eventually(async () => {
        const box = await notice.boundingBox();
        const header = await page.getByRole('banner').boundingBox();
        const main = await page.getByRole('main').evaluate((element) => Number.parseFloat(getComputedStyle(element).paddingTop));
        expect((box?.y ?? Infinity) + (box?.height ?? 0)).toBeLessThanOrEqual((header?.height ?? 0) + 1);
        expect(main).toBeGreaterThanOrEqual(header?.height ?? Infinity);
      });
      await notice.getByRole('button', { name: 'Undo' }).press('Enter');
      await eventually(async () => expect(await enabled()).toBe(true));
      await eventually(async () => expect(await lane.isChecked()).toBe(true));
    }
  });

  test('on a phone nothing is wider than the screen, and names leave room for their cells', async () => {
    const { page, matrix } = await open({ viewport: PHONE });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(PHONE.width);
    const name = await matrix.getByRole('rowheader').first().boundingBox();
    expect(name?.width).toBeLessThan(PHONE.width / 2);
    await page.getByRole('checkbox', { name: 'Only with a lane' }).press(' ');
    await page.getByText(/^\d+ of 300 services$/).waitFor();
  });

  test('the URL of a group without its name leads to all groups', async () => {
    const { page, problems } = await open();
    await page.goto(`${running.url}/groups`);
    await page.getByRole('heading', { name: 'Lane groups', level: 1 }).waitFor();
    expect(new URL(page.url()).pathname).toBe('/');
    expect(problems).toEqual([]);
  });

  test('choosing a menu item moves nothing', async () => {
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

  test('switching between pages with and without a scroll bar moves nothing, and leaves no empty strip', async () => {
    await store.replace(laneGroups());
    const withBars = await startBrowser({ scrollBars: true });
    onTestFinished(() => withBars.close());
    for (const viewport of [
      { width: 1280, height: 860 },
      { width: 1700, height: 860 },
    ]) {
      const { page } = await openWindow(withBars, { viewport });
      page.setDefaultTimeout(60_000);
      const at = async (path: string, content: Locator): Promise<{ bar: number; strip: number; right: unknown[] }> => {
        await page.goto(`${running.url}${path}`);
        const heading = page.getByRole('heading', { level: 1 });
        await heading.waitFor();
        await content.waitFor();
        const menu = await page.getByRole('button', { name: /^Language/ }).boundingBox();
        const title = await heading.boundingBox();
        return page.evaluate(
          ([menuX, titleX]) => {
            const root = document.documentElement;
            const header = document.querySelector('header')?.getBoundingClientRect().width ?? 0;
            const content = document.querySelector('main h1')?.closest('.page > div')?.getBoundingClientRect();
            return {
              bar: root.scrollHeight > root.clientHeight ? innerWidth - root.clientWidth : 0,
              strip: root.scrollHeight > root.clientHeight ? 0 : innerWidth - header,
              right: [menuX, titleX, content?.right],
            };
          },
          [menu?.x, title?.x],
        );
      };
      const long = await at('/groups/large', page.getByRole('rowheader').first());
      const short = await at('/', page.getByRole('main').getByRole('link', { name: /^large/ }));
      expect(long.bar).toBeGreaterThan(5);
      expect([short.bar, short.strip]).toEqual([0, 0]);
      expect(short.right).toEqual(long.right);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(viewport.width);
      await page.context().close();
    }
  });

  // Must be last: Nacos does not come back.
  test('while Nacos is down, the page says since when, and nothing on it is green', async () => {
    const { page, matrix } = await open();
    const dots = matrix.locator('td .dots').first();
    const label = page.getByText('Healthy instances of each service');
    const colourOf = (one: Locator): Promise<string> => one.evaluate((element) => getComputedStyle(element).color);
    // In one look: on a slow machine, listing so many instances may take so long that the page calls its data old for a moment.
    const look = (): Promise<{ colour: string; isOld: boolean }> =>
      dots.evaluate((element) => ({ colour: getComputedStyle(element).color, isOld: document.querySelector('[role=alert]') !== null }));
    const healthy = await eventually(async () => {
      const { colour, isOld } = await look();
      expect(isOld).toBe(false);
      return colour;
    });
    await nacos.close();
    await page
      .getByRole('alert')
      .filter({ hasText: /^No answer since .* This page shows what was known then\. \d+ seconds old\./ })
      .waitFor();
    await eventually(async () => {
      const { colour, isOld } = await look();
      expect(isOld).toBe(true);
      expect(colour).not.toBe(healthy);
      expect(colour).toBe(await colourOf(label));
    });
  });
});
