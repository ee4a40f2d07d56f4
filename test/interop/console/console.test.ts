/**
 * The console in a real Chromium, against the running demo: the scenario's third step by hand, and what both requests are answered with
 * then; what somebody who can't see, has no mouse, a phone, or no right to change anything meets.
 */
import { readFileSync } from 'node:fs';
import { startConsole, parseAccounts, type RunningConsole, type Traffic } from '@lane/console';
import { BASE_HOST, GRAY_HOST, startDemo, type Demo } from '@lane/cli';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { LaneGroupsStore } from '@lane/storage';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '@lane/testing/eventually';
import { hasChineseFont, missingBrowser, openWindow, PHONE, startBrowser, type Look } from './browser.js';

const mustRun = process.env['CI'] !== undefined && process.env['CI'] !== '' && process.env['CI'] !== 'false';
const missing = missingBrowser();
if (missing !== undefined && mustRun) throw new Error(`${missing}. With CI set, it has to be there`);

const BASE_ANSWER = /^A\[[\d.:]+\] -> B\[[\d.:]+\] -> C\[[\d.:]+\]$/;
const GRAY_ANSWER = /^Agray\[[\d.:]+\] -> Bgray\[[\d.:]+\] -> Cgray\[[\d.:]+\]$/;
const ONLY_A_GRAY = /^Agray\[[\d.:]+\] -> B\[[\d.:]+\] -> C\[[\d.:]+\]$/;
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const ALICE = 'alice-has-a-token-of-her-own';
const VERA = 'vera-only-looks-at-things-here';

describe.skipIf(missing !== undefined)(`the console in Chromium${missing === undefined ? '' : ` (left out: ${missing})`}`, () => {
  let browser: Browser;
  let demo: Demo;
  let connection: NacosConnection;
  let store: LaneGroupsStore;
  const contexts: BrowserContext[] = [];

  beforeAll(async () => {
    [browser, demo] = await Promise.all([startBrowser(), startDemo({ ports: 'auto', console: true, laneGroups: 'none', entry: 'rules' })]);
    connection = connectNacos({ server: demo.nacosAddress });
    store = new LaneGroupsStore(connection);
  });
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()));
  });
  afterAll(async () => {
    await connection?.close();
    await browser?.close();
    await demo?.stop();
  });

  async function open(path: string, look: Look = {}, url = demo.consoleUrl): Promise<{ page: Page; problems: string[] }> {
    const { context, page, problems } = await openWindow(browser, look);
    contexts.push(context);
    await page.goto(`${url}${path}`);
    await page.locator('h1').first().waitFor();
    return { page, problems };
  }

  /** What both requests of the scenario are answered with, as soon as it is that. */
  const expectAnswers = (base: RegExp, gray: RegExp, of: Demo = demo): Promise<void> =>
    eventually(async () => {
      for (let i = 0; i < 6; i++) {
        expect((await of.request(BASE_HOST)).body).toMatch(base);
        expect((await of.request(GRAY_HOST)).body).toMatch(gray);
      }
    });

  const publishShop = async (): Promise<void> => {
    await store.replace({
      version: 1,
      groups: [
        {
          name: 'shop',
          services: ['spring-cloud-a', 'spring-cloud-b', 'spring-cloud-c'],
          entry: { services: ['lane-gateway'] },
          lanes: [
            {
              name: 'gray',
              tag: 'gray',
              enabled: true,
              fallback: 'base',
              rules: [
                { name: 'by-domain', match: { host: { exact: GRAY_HOST } } },
                { name: 'staff', match: { all: [{ header: 'x-user', in: ['alice'] }, { path: { prefix: '/a' } }] } },
                { name: 'five-percent', percent: 5, by: { cookie: 'uid' } },
              ],
            },
          ],
        },
      ],
    });
  };

  test.sequential('step 3: a group by choosing its services, a lane by choosing its tag, and requests go there; switched off, they do not', async () => {
    await expectAnswers(BASE_ANSWER, BASE_ANSWER);
    const { page, problems } = await open('/');

    await page.getByRole('link', { name: 'Create lane group' }).click();
    await page.getByRole('textbox', { name: 'Name' }).fill('shop');
    for (const service of ['spring-cloud-a', 'spring-cloud-b', 'spring-cloud-c']) await page.getByRole('checkbox', { name: service }).check();
    const entry = page.getByRole('combobox', { name: 'Entry' });
    await entry.fill('lane-gateway');
    await entry.press('Enter');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: 'shop' }).waitFor();
    await page
      .getByRole('row', { name: /spring-cloud-b/ })
      .getByText('2 instances')
      .first()
      .waitFor();
    await expectAnswers(BASE_ANSWER, BASE_ANSWER);

    await page.getByRole('link', { name: 'Create the first lane' }).click();
    await page.getByRole('radio', { name: 'gray' }).check();
    await page.getByRole('button', { name: 'Add rule' }).click();
    await page.getByRole('textbox', { name: 'Value' }).fill(GRAY_HOST);
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await page.getByRole('heading', { level: 3, name: 'gray' }).waitFor();
    await expectAnswers(BASE_ANSWER, GRAY_ANSWER);

    await switchOff(page);
    await expectAnswers(BASE_ANSWER, BASE_ANSWER);
    await page.getByRole('switch', { name: 'Lane gray enabled' }).press(' ');
    await expectAnswers(BASE_ANSWER, GRAY_ANSWER);
    expect(problems).toEqual([]);
  });

  test.sequential('a rule is explained, and history leads back', async () => {
    const { page } = await open('/explain');
    await page.getByRole('textbox', { name: 'Host' }).fill(GRAY_HOST);
    await page.getByRole('button', { name: 'Explain', exact: true }).click();
    await page.getByText(/Enters lane gray by rule/).waitFor();
    await page.getByText('served by its lane').first().waitFor();

    await page.goto(`${demo.consoleUrl}/groups/shop`);
    await page.getByRole('button', { name: 'Delete: gray' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByText('no lane yet').waitFor();
    await expectAnswers(BASE_ANSWER, BASE_ANSWER);

    await page.goto(`${demo.consoleUrl}/history`);
    await page.getByRole('button', { name: /deleted lane shop\/gray by local/ }).waitFor();
    await page.getByRole('button', { name: /switched on lane shop\/gray/ }).click();
    await page.getByRole('button', { name: 'Go back to this version' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Go back to this version' }).click();
    await expectAnswers(BASE_ANSWER, GRAY_ANSWER);
  });

  test.sequential('errors are told at their fields, in the language of the pages', async () => {
    await publishShop();
    const { page } = await open('/groups/shop/new-lane', { locale: 'zh-CN' });
    await page.getByRole('radio', { name: '其他标签' }).check();
    await page.getByRole('textbox', { name: '其他标签' }).fill('not a tag');
    await page.getByRole('textbox', { name: '名称' }).fill('blue');
    await page.getByRole('button', { name: '添加规则' }).click();
    await page.getByRole('combobox', { name: '比较方式' }).click();
    await page.getByRole('option', { name: /正则/ }).click();
    await page.getByRole('textbox', { name: '值', exact: true }).fill('(');
    await page.getByRole('button', { name: '创建' }).click();
    for (const name of ['其他标签', '值']) {
      const field = page.getByRole('textbox', { name, exact: true });
      await eventually(async () => expect(await field.getAttribute('aria-invalid')).toBe('true'));
      const described = await field.evaluate((element) =>
        (element.getAttribute('aria-describedby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent),
      );
      expect(described.join()).toMatch(name === '值' ? /不是 RE2 正则表达式/ : /不能作为标签/);
    }
    // Each in the summary leads to its field.
    await page.getByRole('link', { name: '/rules/0/match/host/regex' }).click();
    expect(await page.getByRole('textbox', { name: '值', exact: true }).evaluate((element) => element === document.activeElement)).toBe(true);
    expect((await store.read()).document.groups[0]?.lanes).toHaveLength(1);
  });

  test.sequential('what somebody else has changed meanwhile is shown, and nothing is lost', async () => {
    await publishShop();
    const { page } = await open('/groups/shop/lanes/gray');
    await page.getByRole('radio', { name: /Nothing serves/ }).check();
    await store.change((document) => ({
      ...document,
      groups: document.groups.map((group) => ({
        ...group,
        lanes: group.lanes.map((lane) => ({ ...lane, rules: [{ name: 'theirs', percent: 50 }] })),
      })),
    }));
    await page.getByRole('button', { name: 'Save' }).click();
    const dialog = page.getByRole('dialog', { name: 'Somebody else has changed this' });
    await dialog.getByText('"theirs"').waitFor();
    expect((await store.read()).document.groups[0]?.lanes[0]).toMatchObject({ fallback: 'base', rules: [{ name: 'theirs' }] });
    await dialog.getByRole('button', { name: 'Go on editing' }).click();
    // Mine is still there.
    expect(await page.getByRole('radio', { name: /Nothing serves/ }).isChecked()).toBe(true);
    await page.getByRole('button', { name: 'Save' }).click();
    await dialog.getByRole('button', { name: 'Publish mine' }).click();
    await page.getByRole('heading', { level: 1, name: 'shop' }).waitFor();
    expect((await store.read()).document.groups[0]?.lanes[0]).toMatchObject({ fallback: 'none', rules: [{ name: 'by-domain' }, {}, {}] });
  });

  test.sequential('a percentage is set by the keyboard, on a slider', async () => {
    await publishShop();
    const { page } = await open('/groups/shop/lanes/gray');
    const slider = page.getByRole('slider', { name: 'Percentage' });
    await slider.focus();
    for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowRight');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText(/8 % of them, sticky by Cookie uid/).waitFor();
    expect((await store.read()).document.groups[0]?.lanes[0]?.rules?.[2]).toEqual({ name: 'five-percent', percent: 8, by: { cookie: 'uid' } });
  });

  test.sequential('live traffic: who calls whom in each lane, counts and errors, and the latest decisions with their reasons', async () => {
    await publishShop();
    // No share of requests, so that counts can be foretold.
    await store.change((document) => {
      const [shop] = document.groups;
      const [lane] = shop?.lanes ?? [];
      if (shop === undefined || lane === undefined) throw new Error('there is no shop');
      return { ...document, groups: [{ ...shop, lanes: [{ ...lane, rules: lane.rules?.slice(0, 1) ?? [] }] }] };
    });
    await expectAnswers(BASE_ANSWER, GRAY_ANSWER);
    const told = async (): Promise<Traffic> => (await fetch(`${demo.consoleUrl}/api/traffic`)).json() as Promise<Traffic>;
    /** How many calls of a lane there have been between two services, and how many of them failed. */
    const callsIn = ({ edges }: Traffic, from: string, to: string, tag: string | undefined): readonly [number, number] => {
      const some = edges.filter((edge) => edge.from.service === from && edge.to.service === to && edge.tag === tag);
      return [some.reduce((sum, { count }) => sum + count, 0), some.reduce((sum, { errors }) => sum + errors, 0)];
    };
    const CHAIN = [
      ['spring-cloud-a', 'spring-cloud-b'],
      ['spring-cloud-b', 'spring-cloud-c'],
    ] as const;
    const before = await told();
    expect(before.sources).toMatchObject({ answered: 12, silent: 0, problems: [] });
    const stopped = demo.services.filter(
      ({ service, lane }) => (service === 'spring-cloud-c' && lane === 'base') || (service === 'spring-cloud-b' && lane === 'gray'),
    );
    try {
      for (let i = 0; i < 7; i++) await demo.request(BASE_HOST);
      for (let i = 0; i < 5; i++) await demo.request(GRAY_HOST);
      await eventually(async () => {
        for (const [from, to] of CHAIN) {
          expect(callsIn(await told(), from, to, undefined)[0]).toBe(callsIn(before, from, to, undefined)[0] + 7);
          expect(callsIn(await told(), from, to, 'gray')[0]).toBe(callsIn(before, from, to, 'gray')[0] + 5);
        }
      });
      // C's base and B's canary go, in good order: B has nobody to ask for base, and falls in for its lane.
      await Promise.all(stopped.map((service) => service.kill('SIGTERM')));
      await demo.waitForInstances('spring-cloud-c', 'base', 0);
      await demo.waitForInstances('spring-cloud-b', 'gray', 0);
      await eventually(async () => expect((await demo.request(BASE_HOST)).status).toBe(502));
      await eventually(async () => expect((await demo.request(GRAY_HOST)).body).toMatch(/^Agray\[[\d.:]+\] -> B\[[\d.:]+\] -> Cgray\[[\d.:]+\]$/));

      const { page, problems } = await open('/traffic');
      const calls = page.getByRole('region', { name: 'Calls' }).getByRole('row');
      // Others may have fallen back in the moment in which the lane was deleted, as each learns of that by itself.
      const fallenBack = calls
        .filter({ hasText: 'base (fallback)', has: page.getByRole('rowheader', { name: /^spring-cloud-a\s*gray$/ }) })
        .filter({ has: page.getByRole('cell', { name: /^spring-cloud-b\s*base$/ }) });
      await fallenBack.waitFor();
      expect(await fallenBack.getByRole('cell').allTextContents()).toEqual([
        expect.stringMatching(/^spring-cloud-b\s*base$/),
        'gray',
        'base (fallback)',
        expect.stringMatching(/^[1-9]\d*$/),
        expect.any(String),
        '0',
        expect.stringMatching(/^[\d.]+ ms$/),
      ]);
      const failing = calls.filter({ has: page.getByRole('rowheader', { name: /spring-cloud-a\s*base/ }) }).getByRole('cell');
      // The page asks every two seconds, and may be behind.
      const [count, errors] = await eventually(async () => {
        const figures = callsIn(await told(), 'spring-cloud-a', 'spring-cloud-b', undefined);
        expect([await failing.nth(3).textContent(), await failing.nth(5).textContent()]).toEqual(figures.map(String));
        return figures;
      });
      expect(errors).toBeGreaterThan(0);
      // The graph has a seat for each service in each lane, and figures on each way.
      const graph = page.getByRole('group', { name: /^Graph of 3 services/ });
      expect(await graph.locator('.node text').getByText('spring-cloud-a').count()).toBe(2);
      await graph
        .getByText(new RegExp(`^${count}( · [\\d.]+/s)? · p95 [\\d.]+ ms ✕${errors}$`))
        .first()
        .waitFor();

      const decisions = page.getByRole('region', { name: 'Latest decisions' }).getByRole('row');
      const addresses = (name: string, lane: string): string[] =>
        demo.services.filter(({ service, lane: own }) => service === name && own === lane).map(({ address }) => address);
      for (const [called, reason, lane] of [
        ['spring-cloud-c', 'in its lane', 'gray'],
        ['spring-cloud-b', 'base: no tag', 'base'],
        ['spring-cloud-b', 'fell back to base', 'base'],
      ] as const) {
        // The cell of whom was called: that of who called has a lane, too.
        const peer = page.getByRole('cell', { name: called, exact: true });
        const instance = decisions.filter({ has: peer }).filter({ hasText: reason }).first().getByRole('cell').last();
        expect(addresses(called, lane)).toContain(await instance.textContent());
      }
      expect(problems).toEqual([]);
    } finally {
      await Promise.all(stopped.map((service) => service.restart()));
      await demo.waitForInstances('spring-cloud-c', 'base', 2);
      await demo.waitForInstances('spring-cloud-b', 'gray', 2);
    }
    await expectAnswers(BASE_ANSWER, GRAY_ANSWER);
  });

  test.sequential('all of step 3 works without a mouse', async () => {
    await store.replace({ version: 1, groups: [] });
    const { page } = await open('/');
    /** As somebody does who has only a keyboard: Tab, until what is wanted has the focus. */
    const tabTo = async (name: RegExp): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        await page.keyboard.press('Tab');
        const at = await page.evaluate(() => {
          const element = document.activeElement as HTMLElement | null;
          const label = element?.getAttribute('aria-label') ?? (element as HTMLInputElement | null)?.labels?.[0]?.textContent ?? element?.textContent;
          return label?.trim() ?? '';
        });
        if (name.test(at)) return;
      }
      throw new Error(`Tab does not lead to ${name}`);
    };
    await tabTo(/^Skip to content$/);
    await page.keyboard.press('Enter');
    await tabTo(/^Create lane group$/);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Create lane group' }).waitFor();
    // The new page's heading has the focus, so that it is read.
    await eventually(async () => expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('H1'));
    await tabTo(/^Name/);
    await page.keyboard.type('keys');
    for (const letter of ['a', 'b', 'c']) {
      await tabTo(new RegExp(`^spring-cloud-${letter}$`));
      await page.keyboard.press('Space');
    }
    await tabTo(/^Create$/);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'keys' }).waitFor();
    await tabTo(/^Create the first lane$/);
    await page.keyboard.press('Enter');
    await page.getByRole('radio', { name: 'gray' }).waitFor();
    await tabTo(/^gray$/);
    await page.keyboard.press('Space');
    await tabTo(/^Create$/);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 3, name: 'gray' }).waitFor();
    expect((await store.read()).document.groups).toMatchObject([{ name: 'keys', lanes: [{ name: 'gray', tag: 'gray' }] }]);
  });

  const PAGES = [
    '/',
    '/groups/shop',
    '/new-group',
    '/groups/shop/edit',
    '/groups/shop/new-lane',
    '/groups/shop/lanes/gray',
    '/traffic',
    '/explain',
    '/history',
    '/document',
  ];
  const LOOKS: ReadonlyArray<readonly [string, Look]> = [
    ['English, light', { locale: 'en-US', colorScheme: 'light' }],
    ['Chinese, dark', { locale: 'zh-CN', colorScheme: 'dark' }],
    ['Chinese, light', { locale: 'zh-CN', colorScheme: 'light' }],
    ['English, dark', { locale: 'en-US', colorScheme: 'dark' }],
  ];

  test.sequential.each(LOOKS)('axe finds nothing serious on any page: %s', async (_, look) => {
    await publishShop();
    await demo.request(GRAY_HOST);
    const { page, problems } = await open('/', look);
    const found: string[] = [];
    for (const path of PAGES) {
      await page.goto(`${demo.consoleUrl}${path}`);
      await page.locator('h1').waitFor();
      await page.waitForLoadState('networkidle', { timeout: 1_500 }).catch(() => {});
      found.push(...(await axe(page)).map((violation) => `${path} ${violation}`));
    }
    expect(found).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.lang)).toBe(look.locale === 'en-US' ? 'en' : 'zh-CN');
    expect(problems).toEqual([]);
  });

  test.sequential('axe finds nothing serious on what a page shows only now and then: dialogs, menus, results, errors', async () => {
    await publishShop();
    const { page } = await open('/groups/shop');
    await page.getByRole('button', { name: 'Delete: gray' }).click();
    await page.getByRole('dialog').waitFor();
    expect(await axe(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: /^Language/ }).click();
    await page.getByRole('menuitem', { name: '中文' }).waitFor();
    expect(await axe(page)).toEqual([]);
    await page.goto(`${demo.consoleUrl}/groups/shop/new-lane`);
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await page.getByRole('alert').waitFor();
    expect(await axe(page)).toEqual([]);
    await page.goto(`${demo.consoleUrl}/explain`);
    await page.getByRole('textbox', { name: 'Host' }).fill(GRAY_HOST);
    await page.getByRole('button', { name: 'Explain', exact: true }).click();
    await page.getByText(/Enters lane gray/).waitFor();
    expect(await axe(page)).toEqual([]);
  });

  test.sequential('no page is wider than a phone, and its menu leads everywhere', async () => {
    await publishShop();
    const { page } = await open('/', { viewport: PHONE });
    for (const path of PAGES) {
      await page.goto(`${demo.consoleUrl}${path}`);
      await page.locator('h1').waitFor();
      await page.waitForLoadState('networkidle', { timeout: 1_500 }).catch(() => {});
      expect([path, await page.evaluate(() => document.documentElement.scrollWidth)]).toEqual([path, PHONE.width]);
    }
    await page.getByRole('button', { name: 'Menu' }).click();
    await page.getByRole('link', { name: 'History' }).click();
    await page.getByRole('heading', { level: 1, name: 'History' }).waitFor();
  });

  test.sequential('language and appearance are switched, and stay so', async () => {
    const { page } = await open('/');
    await page.getByRole('button', { name: /^Language/ }).click();
    await page.getByRole('menuitem', { name: '中文' }).click();
    await page.getByRole('heading', { level: 1, name: '泳道组' }).waitFor();
    await page.getByRole('button', { name: /^外观/ }).click();
    await page.getByRole('menuitem', { name: '深色' }).click();
    await page.reload();
    await page.getByRole('heading', { level: 1, name: '泳道组' }).waitFor();
    const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const [red = 255] = (/\d+/.exec(dark) ?? []).map(Number);
    expect(red).toBeLessThan(60);
  });

  test.sequential('the Chinese pages have characters, not boxes', () => {
    expect(hasChineseFont(), 'fonts-wqy-zenhei is not installed').toBe(true);
  });

  describe('with accounts', () => {
    let guarded: RunningConsole;
    beforeAll(async () => {
      guarded = await startConsole({ connection, port: 0, accounts: parseAccounts(`alice editor ${ALICE}\nvera viewer ${VERA}`, 'tokens') });
      await publishShop();
    });
    afterAll(() => guarded?.close());

    const signIn = async (token: string): Promise<Page> => {
      const { page } = await open('/', {}, guarded.url);
      await page.getByRole('textbox', { name: 'Token' }).fill(token);
      await page.getByRole('button', { name: 'Sign in' }).click();
      return page;
    };

    test.sequential('a wrong token is told, and the form can be used by all', async () => {
      const page = await signIn('not-the-token-of-anybody');
      await page.getByRole('alert').getByText('No account has this token').waitFor();
      expect(await axe(page)).toEqual([]);
    });

    test.sequential('a viewer sees all pages, no way to change anything, and the API refuses', async () => {
      const page = await signIn(VERA);
      await page.getByRole('heading', { level: 1, name: 'Lane groups' }).waitFor();
      for (const path of ['/', '/groups/shop', '/history', '/document', '/groups/shop/lanes/gray', '/groups/shop/new-lane']) {
        await page.goto(`${guarded.url}${path}`);
        await page.locator('h1').waitFor();
        await page.waitForLoadState('networkidle', { timeout: 1_500 }).catch(() => {});
        expect([path, await page.getByRole('switch').count()]).toEqual([path, 0]);
        expect([path, await page.getByRole('button', { name: /^(create|edit|delete|save|publish|go back to)/i }).count()]).toEqual([path, 0]);
        expect([path, await page.getByRole('link', { name: /^(create|edit)/i }).count()]).toEqual([path, 0]);
      }
      const status = await page.evaluate(async () => {
        const response = await fetch('/api/groups/shop/lanes/gray/enabled', {
          method: 'PUT',
          headers: { 'content-type': 'application/json', 'x-lane-console': '1' },
          body: '{"enabled":false}',
        });
        return response.status;
      });
      expect(status).toBe(403);
      expect((await store.read()).document.groups[0]?.lanes[0]?.enabled).toBe(true);
    });

    test.sequential('an editor’s change has their name in the history; signing out ends it', async () => {
      const page = await signIn(ALICE);
      await page.getByRole('link', { name: /shop/ }).click();
      await switchOff(page);
      await page.getByText('Lane gray is off').waitFor();
      await page.getByRole('link', { name: 'History' }).click();
      await page.getByRole('button', { name: /switched off lane shop\/gray by alice/ }).waitFor();
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor();
    });
  });
});

describe.skipIf(missing !== undefined)('where the entry’s routes choose the lane, as in the scenario', () => {
  let browser: Browser;
  let demo: Demo;
  beforeAll(async () => {
    [browser, demo] = await Promise.all([startBrowser(), startDemo({ ports: 'auto', console: true, laneGroups: 'none' })]);
  });
  afterAll(async () => {
    await browser?.close();
    await demo?.stop();
  });

  test('step 3 gives what it says; a lane that is switched off ends behind A', async () => {
    const { page } = await openWindow(browser);
    await page.goto(`${demo.consoleUrl}/new-group`);
    await page.getByRole('textbox', { name: 'Name' }).fill('shop');
    for (const service of ['spring-cloud-a', 'spring-cloud-b', 'spring-cloud-c']) await page.getByRole('checkbox', { name: service }).check();
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await page.getByRole('link', { name: 'Create the first lane' }).click();
    await page.getByRole('radio', { name: 'gray' }).check();
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    await page.getByRole('heading', { level: 3, name: 'gray' }).waitFor();
    const answers = async (gray: RegExp): Promise<void> =>
      eventually(async () => {
        expect((await demo.request(BASE_HOST)).body).toMatch(BASE_ANSWER);
        expect((await demo.request(GRAY_HOST)).body).toMatch(gray);
      });
    await answers(GRAY_ANSWER);
    await switchOff(page);
    await answers(ONLY_A_GRAY);
    await page.getByRole('switch', { name: 'Lane gray enabled' }).press(' ');
    await answers(GRAY_ANSWER);
  });
});

/** Switches lane gray off, as a group's page does it. */
async function switchOff(page: Page): Promise<void> {
  await page.getByRole('switch', { name: 'Lane gray enabled' }).press(' ');
  await page.getByRole('dialog', { name: 'Switch lane gray off?' }).getByRole('button', { name: 'Switch off' }).click();
}

/** What axe-core finds that is serious or critical; nothing has to be. */
async function axe(page: Page): Promise<string[]> {
  // Playwright evaluates past the page's policy, as a browser's own tools do.
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe: loaded } = globalThis as unknown as {
      axe: {
        run(options: object): Promise<{ violations: Array<{ id: string; impact: string; nodes: Array<{ html: string; failureSummary: string }> }> }>;
      };
    };
    const { violations } = await loaded.run({ resultTypes: ['violations'] });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary.slice(0, 250)}`));
  });
}
