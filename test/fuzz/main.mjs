/** `npm run fuzz -- TARGET --seconds N`: coverage-guided fuzzing of a target with Jazzer.js, starting from the saved corpus. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nativeEnvironment } from './native.mjs';

const folder = dirname(fileURLToPath(import.meta.url));
const cache = join(folder, '../../.cache/fuzz');
/** The targets by name, each with the first sentence of its comment. */
const targets = new Map(
  readdirSync(join(folder, 'corpus'))
    .sort()
    .map((name) => [name, /\/\*\*\s*(?:\* )?([^.]*?)[.:]/.exec(readFileSync(join(folder, 'targets', `${name}.cjs`), 'utf8'))?.[1] ?? '']),
);

const usage = `Usage: npm run fuzz -- <target|all> [--seconds <n>] [--seed <n>] [--keep]

Feeds a target with inputs that Jazzer.js makes up by coverage, from those in test/fuzz/corpus on. What it finds is written to .cache/fuzz, as
crash-… with the input, and the command ends with 1. To have such an input tried by npm test for good, put it into the corpus of its target.

  --seconds <n>  how long, each target (default 60)
  --seed <n>     begin with the same random numbers each time, as continuous integration does: it is to fail by what has changed
  --keep         add what has reached new code to the corpus
  --help         this

Targets:
${[...targets].map(([name, what]) => `  ${name.padEnd(18)}${what.replaceAll(/\s+/g, ' ')}`).join('\n')}`;

let given;
try {
  given = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string' },
      keep: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
} catch (error) {
  console.error(`${error.message}\n\n${usage}`);
  process.exit(2);
}
const [target, ...rest] = given.positionals;
const seconds = Number(given.values.seconds);
const seed = given.values.seed === undefined ? undefined : Number(given.values.seed);
if (given.values.help === true) {
  console.log(usage);
  process.exit(0);
}
const isWhole = (number) => Number.isInteger(number) && number >= 1;
if (
  target === undefined ||
  rest.length > 0 ||
  (target !== 'all' && !targets.has(target)) ||
  !isWhole(seconds) ||
  (seed !== undefined && !isWhole(seed))
) {
  const problem =
    target === undefined
      ? 'name a target, or all'
      : targets.has(target) || target === 'all'
        ? `--seconds and --seed take a whole number from 1 on`
        : `${JSON.stringify(target)} is no target`;
  console.error(`${problem}\n\n${usage}`);
  process.exit(2);
}

const { resolve } = createRequire(join(folder, 'package.json'));
const jazzer = join(dirname(resolve('@jazzer.js/core')), 'cli.js');
let environment;
try {
  environment = nativeEnvironment(folder, cache);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}

let code = 0;
for (const name of target === 'all' ? targets.keys() : [target]) {
  console.error(`\n=== ${name}, ${seconds} s`);
  const corpus = join(folder, 'corpus', name);
  const grown = join(cache, 'corpus', name);
  const found = join(cache, name);
  for (const one of [grown, found]) mkdirSync(one, { recursive: true });
  const run = (folders, ...more) =>
    new Promise((done, failed) => {
      const args = [
        jazzer,
        join(folder, 'targets', `${name}.cjs`),
        ...folders,
        '--includes',
        'packages/',
        '--disableBugDetectors',
        'ssrf',
        '--timeout',
        '20000',
        '--',
        ...more,
      ];
      const child = spawn(process.execPath, args, { stdio: 'inherit', env: { ...process.env, ...environment }, cwd: found });
      child.once('error', failed).once('exit', (status) => done(status ?? 1));
    });
  const status = await run(
    [grown, corpus],
    `-max_total_time=${seconds}`,
    '-max_len=4096',
    '-print_final_stats=1',
    `-artifact_prefix=${found}/`,
    ...(seed === undefined ? [] : [`-seed=${seed}`]),
  );
  if (status !== 0) {
    code = 1;
    console.error(`--- ${name}: failed, the input is in ${found}`);
  } else if (given.values.keep === true && existsSync(grown)) await run([corpus, grown], '-merge=1');
}
process.exit(code);
