/** Debian's Chromium, driven by playwright-core: a fresh profile for each browser, and nothing that calls home. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core';

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Why there is no browser here, or undefined where there is one. */
export function missingBrowser(): string | undefined {
  if (!CANDIDATES.some((file) => existsSync(file))) return 'chromium is not installed: apt-get install chromium fonts-wqy-zenhei';
  return undefined;
}

/** Starts one. */
export function startBrowser(): Promise<Browser> {
  const executablePath = CANDIDATES.find((file) => existsSync(file));
  if (executablePath === undefined) throw new Error(missingBrowser());
  return chromium.launch({ executablePath, headless: true, args: FLAGS });
}

/** Whether the Chinese pages can be drawn. */
export function hasChineseFont(): boolean {
  try {
    return execFileSync('fc-list', [':lang=zh'], { encoding: 'utf8' }).trim() !== '';
  } catch {
    return false;
  }
}

/** How a visitor sees the pages. */
export interface Look extends Pick<BrowserContextOptions, 'viewport' | 'locale' | 'colorScheme'> {}

export const DESKTOP = { width: 1280, height: 860 } as const;
/** As narrow as phones come. */
export const PHONE = { width: 390, height: 844 } as const;

/** Opens a window of its own. */
export async function openWindow(browser: Browser, look: Look = {}): Promise<{ context: BrowserContext; page: Page; problems: string[] }> {
  const context = await browser.newContext({ viewport: DESKTOP, locale: 'en-US', colorScheme: 'light', reducedMotion: 'reduce', ...look });
  const page = await context.newPage();
  /** What the page complains of: errors, and what its policy has stopped. */
  const problems: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(String(error)));
  return { context, page, problems };
}
