/**
 * The console in a real Chromium, against the running demo: the scenario's third step by hand, and the answers to both requests
 * afterwards; what users meet who cannot see, have no mouse, use a phone, or may not change anything.
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

describe.skipIf(missing !== undefined)(`the console in Chromium${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
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

  /** Waits until both requests of the scenario get these answers. */
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

  test.sequential('step 3: creates a group by choosing services and a lane by choosing its tag; requests go there, and no more once it is off', async () => {
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

  test.sequential('explains a rule, and rolls back from the history', async () => {
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
    await page.getByRole('button', { name: 'Restore this version' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Restore this version' }).click();
    await expectAnswers(BASE_ANSWER, GRAY_ANSWER);
  });

  test.sequential("shows errors at their fields, in the pages' language", async () => {
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
    // Each entry of the summary leads to its field.
    await page.getByRole('link', { name: '/rules/0/match/host/regex' }).click();
    expect(await page.getByRole('textbox', { name: '值', exact: true }).evaluate((element) => element === document.activeElement)).toBe(true);
    expect((await store.read()).document.groups[0]?.lanes).toHaveLength(1);
  });

  test.sequential('shows concurrent changes by others, and loses nothing', async () => {
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
    await dialog.getByRole('button', { name: 'Keep editing' }).click();
    // My change is still there.
    expect(await page.getByRole('radio', { name: /Nothing serves/ }).isChecked()).toBe(true);
    await page.getByRole('button', { name: 'Save' }).click();
    await dialog.getByRole('button', { name: 'Publish mine' }).click();
    await page.getByRole('heading', { level: 1, name: 'shop' }).waitFor();
    expect((await store.read()).document.groups[0]?.lanes[0]).toMatchObject({ fallback: 'none', rules: [{ name: 'by-domain' }, {}, {}] });
  });

  test.sequential('a percentage can be set on a slider by keyboard', async () => {
    await publishShop();
    const { page } = await open('/groups/shop/lanes/gray');
    const slider = page.getByRole('slider', { name: 'Percentage' });
    await slider.focus();
    for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowRight');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText(/8 % of them, sticky by Cookie uid/).waitFor();
    expect((await store.read()).document.groups[0]?.lanes[0]?.rules?.[2]).toEqual({ name: 'five-percent', percent: 8, by: { cookie: 'uid' } });
  });

  test.sequential('live traffic shows who calls whom in each lane, counts and errors, and the latest decisions with their reasons', async () => {
    await publishShop();
    // No percentage, so that the counts are predictable.
    await store.change((document) => {
      const [shop] = document.groups;
      const [lane] = shop?.lanes ?? [];
      if (shop === undefined || lane === undefined) throw new Error('there is no shop');
      return { ...document, groups: [{ ...shop, lanes: [{ ...lane, rules: lane.rules?.slice(0, 1) ?? [] }] }] };
    });
    await expectAnswers(BASE_ANSWER, GRAY_ANSWER);
    const told = async (): Promise<Traffic> => (await fetch(`${demo.consoleUrl}/api/traffic`)).json() as Promise<Traffic>;
    /** How many calls of a lane its own instances made to another service, and how many of those failed. */
    const callsIn = ({ edges }: Traffic, from: string, to: string, tag: string | undefined): readonly [number, number] => {
      // Calls without a tag may come from a canary: of a request whose lane is off, or that had none. These are others, in the table and in the graph.
      const some = edges.filter((edge) => edge.from.service === from && edge.from.tag === tag && edge.to.service === to && edge.tag === tag);
      return [some.reduce((sum, { count }) => sum + count, 0), some.reduce((sum, { errors }) => sum + errors, 0)];
    };
    const CHAIN = [
      ['spring-cloud-a', 'spring-cloud-b'],
      ['spring-cloud-b', 'spring-cloud-c'],
    ] as const;
    /** The figures of a look that began after this call: the console caches each for a second. */
    const toldAnew = async (): Promise<Traffic> => {
      const { at } = await told();
      return eventually(async () => {
        const next = await told();
        expect(next.at).not.toBe(at);
        return next;
      });
    };
    const before = await toldAnew();
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
      // Past the gateway, to a canary: its calls for an untagged request have no tag, as if the gateway had not yet noticed that the lane is off.
      const canary = demo.services.find(({ service, lane }) => service === 'spring-cloud-a' && lane === 'gray');
      const straight = await fetch(`http://${canary?.address}/a`);
      expect(await straight.text()).toMatch(ONLY_A_GRAY);
      // C's base and B's canary shut down cleanly: B has no base instance of C to call, and base B serves the lane.
      await Promise.all(stopped.map((service) => service.kill('SIGTERM')));
      await demo.waitForInstances('spring-cloud-c', 'base', 0);
      await demo.waitForInstances('spring-cloud-b', 'gray', 0);
      await eventually(async () => expect((await demo.request(BASE_HOST)).status).toBe(502));
      // The call that finds B's canary gone was meant for it; the next one is meant for base.
      await eventually(async () => {
        expect((await demo.request(GRAY_HOST)).body).toMatch(/^Agray\[[\d.:]+\] -> B\[[\d.:]+\] -> Cgray\[[\d.:]+\]$/);
        expect((await told()).edges.filter(({ from, route }) => from.service === 'spring-cloud-a' && route === 'fallback')).not.toEqual([]);
      });

      const { page, problems } = await open('/traffic');
      const calls = page.getByRole('region', { name: 'Calls' }).getByRole('row');
      // Others may have fallen back while the lane was being deleted, because each learns of that by itself.
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
      // The page polls every two seconds, and may be behind.
      const [count, errors] = await eventually(async () => {
        const figures = callsIn(await told(), 'spring-cloud-a', 'spring-cloud-b', undefined);
        expect([await failing.nth(3).textContent(), await failing.nth(5).textContent()]).toEqual(figures.map(String));
        return figures;
      });
      expect(errors).toBeGreaterThan(0);
      // The graph has a node for each service in each lane, and figures on each edge.
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
        // The callee's cell: the caller's also has a lane.
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

  test.sequential('the whole of step 3 works without a mouse', async () => {
    await store.replace({ version: 1, groups: [] });
    const { page } = await open('/');
    /** Like a keyboard user: presses Tab until the element has the focus. */
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
    // The new page's heading has the focus, so that screen readers read it.
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

  test.sequential('axe finds nothing serious in transient parts of pages: dialogs, menus, results, errors', async () => {
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

  test.sequential('language and appearance can be switched, and are remembered', async () => {
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

  test.sequential('the Chinese pages show characters, not boxes', () => {
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

    test.sequential('reports a wrong token, and the form is accessible', async () => {
      const page = await signIn('not-the-token-of-anybody');
      await page.getByRole('alert').getByText('No account has this token').waitFor();
      expect(await axe(page)).toEqual([]);
    });

    test.sequential('a viewer sees all pages and no way to change anything, and the API refuses changes', async () => {
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

describe.skipIf(missing !== undefined)('if the entry’s routes choose the lane, as in the scenario', () => {
  let browser: Browser;
  let demo: Demo;
  beforeAll(async () => {
    [browser, demo] = await Promise.all([startBrowser(), startDemo({ ports: 'auto', console: true, laneGroups: 'none' })]);
  });
  afterAll(async () => {
    await browser?.close();
    await demo?.stop();
  });

  test('step 3 has the described result; a disabled lane ends behind A', async () => {
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

/** Switches lane gray off, as the group's page does. */
async function switchOff(page: Page): Promise<void> {
  await page.getByRole('switch', { name: 'Lane gray enabled' }).press(' ');
  await page.getByRole('dialog', { name: 'Switch lane gray off?' }).getByRole('button', { name: 'Switch off' }).click();
}

/** Serious and critical findings of axe-core; there must be none. */
async function axe(page: Page): Promise<string[]> {
  // Playwright's evaluate bypasses the page's policy, like a browser's own tools.
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
