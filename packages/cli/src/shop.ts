/** The services of the demo: those of the repository in a clone, else those that come with this package, with what they use. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CliError } from './cli-error.js';

const IN_CLONE = join(__dirname, '../../../examples/shop');
const IN_PACKAGE = join(__dirname, '../shop');

/**
 * Gives the folder with `a.js`, `b.js` and `c.js`. Outside of a clone they are copied into `folder`, and npm installs beside them what they use:
 * nothing that the demo alone needs comes with the command. Rejects with a CliError where that fails.
 */
export async function prepareShop(folder: string, onProgress: (line: string) => void): Promise<string> {
  if (existsSync(join(IN_CLONE, 'a.js'))) return IN_CLONE;
  if (!existsSync(join(IN_PACKAGE, 'a.js')))
    throw new CliError(
      'the services of the demo are not there: install @lane/cli anew, or run npm run demo in a clone of the repository',
      'ELANE_NO_SHOP',
    );
  const shop = join(folder, 'shop');
  await cp(IN_PACKAGE, shop, { recursive: true });
  const { dependencies } = JSON.parse(readFileSync(join(shop, 'package.json'), 'utf8')) as { dependencies: Readonly<Record<string, string>> };
  const names = Object.keys(dependencies).join(' and ');
  onProgress(`installing ${names}, which the services of the demo use, into a temporary folder`);
  try {
    // With the folder named: npx tells npm of its own. A shell finds npm.cmd on Windows.
    await promisify(execFile)('npm', ['install', '--prefix', '.', '--no-audit', '--no-fund', '--no-package-lock'], {
      cwd: shop,
      shell: process.platform === 'win32',
    });
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    const said = stderr.split('\n').find((line) => /^npm err(?:or|!)/i.test(line)) ?? message.split('\n')[0];
    throw new CliError(
      `npm could not install ${names} for the demo (${said}): see that npm ping succeeds, or run npm run demo in a clone`,
      'ELANE_NO_SHOP',
    );
  }
  return shop;
}
