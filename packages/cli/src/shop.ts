/** The services of the demo: the repository's in a clone, else those in this package. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CliError } from './cli-error.js';

const IN_CLONE = join(__dirname, '../../../examples/shop');
const IN_PACKAGE = join(__dirname, '../shop');

/**
 * Returns the folder with `a.js`, `b.js` and `c.js`. Outside a clone, copies them into `folder` and installs their dependencies there with npm, since
 * the command does not depend on what only the demo needs. Rejects with a CliError if that fails.
 */
export async function prepareShop(folder: string, onProgress: (line: string) => void): Promise<string> {
  if (existsSync(join(IN_CLONE, 'a.js'))) return IN_CLONE;
  if (!existsSync(join(IN_PACKAGE, 'a.js')))
    throw new CliError(
      'the services of the demo are missing: reinstall @lane/cli, or run npm run demo in a clone of the repository',
      'ELANE_NO_SHOP',
    );
  const shop = join(folder, 'shop');
  await cp(IN_PACKAGE, shop, { recursive: true });
  const { dependencies } = JSON.parse(readFileSync(join(shop, 'package.json'), 'utf8')) as { dependencies: Readonly<Record<string, string>> };
  const names = Object.keys(dependencies).join(' and ');
  onProgress(`installing ${names}, which the services of the demo use, into a temporary folder`);
  try {
    // Name the folder, because npx passes its own to npm. On Windows, only a shell finds npm.cmd.
    await promisify(execFile)('npm', ['install', '--prefix', '.', '--no-audit', '--no-fund', '--no-package-lock'], {
      cwd: shop,
      shell: process.platform === 'win32',
    });
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    const said = stderr.split('\n').find((line) => /^npm err(?:or|!)/i.test(line)) ?? message.split('\n')[0];
    throw new CliError(
      `npm could not install ${names} for the demo (${said}): check that npm ping succeeds, or run npm run demo in a clone`,
      'ELANE_NO_SHOP',
    );
  }
  return shop;
}
