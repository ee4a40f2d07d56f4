/** Starts and checks every example with its single command. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { nacosServers } from '../../servers/index.js';
import { checkExample } from './run-example.js';

const EXAMPLES = join(__dirname, '../../../examples');
const names = readdirSync(EXAMPLES).filter((name) => existsSync(join(EXAMPLES, name, 'example.mjs')));
/** An example may have to install its dependencies, and to compile them. */
const TIMEOUT_MS = 900_000;
const ANSWERS = /^(\d+) of \1 right$/m;

describe('npm run example', () => {
  test.for(names)('%s', { timeout: TIMEOUT_MS }, async (name) => {
    const { code, output } = await checkExample(name, needsRealNacos(name) ? ['--nacos', await realNacos()] : []);
    expect(output).toMatch(ANSWERS);
    expect(code).toBe(0);
  });

  test.for(names)('%s has a README that shows its command and output', (name) => {
    const readme = readFileSync(join(EXAMPLES, name, 'README.md'), 'utf8');
    expect(readme).toContain(`npm run example -- ${name}`);
    expect(readme).toMatch(/\d+ of \d+ right/);
  });

  test('an unknown example is reported, with the list of examples', async () => {
    const { code, output } = await checkExample('nonsense');
    expect(code).toBe(2);
    for (const name of names) expect(output).toContain(name);
  });
});

function needsRealNacos(name: string): boolean {
  return /nacos: 'real'/.test(readFileSync(join(EXAMPLES, name, 'example.mjs'), 'utf8'));
}

/** The server that the tests of this run share; without Java and Maven the example itself reports what is missing. */
async function realNacos(): Promise<string> {
  const server = nacosServers().find(({ name }) => name === 'Nacos 2.2.4');
  if (server === undefined) throw new Error('a real Nacos is needed: install Java 17 and Maven (Debian: openjdk-17-jdk-headless, maven)');
  return (await server.start()).address;
}
