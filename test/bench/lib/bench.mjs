/** What all benchmarks share: options and their help, quantiles, tables, and where results are kept. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { arch, cpus, platform, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/**
 * Reads the command line of a benchmark; `--help` prints what there is and ends the process.
 *
 * @param {{ name: string, purpose: string, numbers: Record<string, { what: string, usual: number, brief?: number, quick: number }>,
 *   choices?: Record<string, { what: string, of: readonly string[] }> }} bench `purpose`: what it measures, a sentence; `brief`: what
 *   `npm run bench` alone takes, by default the usual
 * @returns its numbers and choices (undefined: all) by name, and `node`, `json`, `save`, `quick`
 */
export function readOptions({ name, purpose, numbers, choices = {} }) {
  const { values } = parseArgs({
    options: {
      ...Object.fromEntries([...Object.keys(numbers), ...Object.keys(choices)].map((option) => [option, { type: 'string' }])),
      quick: { type: 'boolean', default: false },
      brief: { type: 'boolean', default: false },
      node: { type: 'string', default: process.execPath },
      json: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    const lines = [
      ...Object.entries(numbers).map(([option, { what, usual, brief = usual, quick }]) => [
        `--${option} <n>`,
        `${what} (default ${usual}; with --brief ${brief}, with --quick ${quick})`,
      ]),
      ...Object.entries(choices).map(([option, { what, of }]) => [`--${option} <name>`, `${what}: ${of.join(', ')} (default: all)`]),
      ['--brief', 'fewer rounds, as `npm run bench` alone does'],
      ['--quick', 'few and short rounds, to see that it runs: its figures mean little'],
      ['--node <path>', 'the Node.js that is measured (default: this one)'],
      ['--json', 'print the result as JSON'],
      ['--save', `keep the result in test/bench/results/${name}.json`],
      ['--help', 'this'],
    ];
    const width = Math.max(...lines.map(([option]) => option.length));
    console.log(`Usage: npm run bench -- ${name} [options]\n\n${purpose}\n`);
    for (const [option, what] of lines) console.log(`  ${option.padEnd(width)}  ${what}`);
    process.exit(0);
  }
  const given = { node: values.node, json: values.json, save: values.save, quick: values.quick };
  for (const [option, { usual, brief = usual, quick }] of Object.entries(numbers)) {
    given[option] = Number(values[option] ?? (values.quick ? quick : values.brief ? brief : usual));
    if (!(given[option] >= 0)) fail(`--${option} must be a number, not ${values[option]}`);
  }
  for (const [option, { of }] of Object.entries(choices)) {
    given[option] = values[option];
    if (values[option] !== undefined && !of.includes(values[option])) fail(`--${option} must be one of ${of.join(', ')}, not ${values[option]}`);
  }
  return given;
}

function fail(message) {
  console.error(message);
  process.exit(2);
}

/** The value below which a share of a list lies; 0.5: the median. */
export function quantile(list, share) {
  return list.toSorted((a, b) => a - b)[Math.floor((list.length - 1) * share)];
}

/** Median and quartiles of some figures. */
export function spread(list) {
  return { median: quantile(list, 0.5), lower: quantile(list, 0.25), upper: quantile(list, 0.75) };
}

/** In another order each time, so that none always follows the same neighbour. */
export function shuffled(list) {
  return list
    .map((item) => ({ item, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

/**
 * Measures by a script so many times, each in a process of its own, whose compiler and heap see nothing else; gives what each has sent.
 *
 * @param {{ node: string, rounds: number }} options
 * @param {URL} script sends one message
 * @param {readonly number[]} args what it is told
 * @param {readonly string[]} execArgv of Node.js
 */
export async function measureInProcesses({ node, rounds }, script, args, execArgv = []) {
  const measured = [];
  for (let round = 0; round < rounds; round++) {
    const child = fork(fileURLToPath(script), args.map(String), { execPath: node, execArgv, env: { ...process.env, NODE_OPTIONS: '' } });
    const [result] = await once(child, 'message');
    measured.push(result);
    console.error(`round ${round + 1} of ${rounds}`);
  }
  return measured;
}

/** CPU time that a process has used so far, in µs, which it tells when it is sent `cpu`. */
export async function cpuOf({ child }) {
  child.send('cpu');
  const [{ cpu }] = await once(child, 'message');
  return cpu;
}

/** The machine and the Node.js that figures were taken on. */
export function machine(node) {
  const version = spawnSync(node, ['--version'], { env: { ...process.env, NODE_OPTIONS: '' } })
    .stdout.toString()
    .trim();
  return {
    node: version,
    platform: `${platform()} ${arch()}`,
    cores: cpus().length,
    processor: cpus()[0]?.model ?? 'unknown',
    memoryGib: Math.round(totalmem() / 2 ** 30),
  };
}

/**
 * Prints tables as Markdown, or all as JSON, and keeps the result where `--save` asks for it.
 *
 * @param {{ name: string, options: { node: string, json: boolean, save: boolean }, how: string,
 *   tables: { title: string, columns: string[], rows: (string | number | { median: number, lower: number, upper: number })[][], digits?: number }[] }} result
 */
export function publish({ name, options, how, tables }) {
  const result = { name, ...machine(options.node), measuredAt: new Date().toISOString().slice(0, 10), how, tables };
  if (options.save) {
    const folder = fileURLToPath(new URL('../results/', import.meta.url));
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}${name}.json`, `${JSON.stringify(result, null, 2)}\n`);
  }
  if (options.json) {
    console.log(JSON.stringify(result, null, 2));
    return;
  }
  console.log(`Node ${result.node}, ${result.cores} cores; ${how}`);
  for (const { title, columns, rows, digits = 2 } of tables) {
    const text = (cell) => {
      if (typeof cell === 'number') return cell.toFixed(digits);
      if (typeof cell === 'string') return cell.replaceAll('|', '\\|');
      return `${cell.median.toFixed(digits)} (${cell.lower.toFixed(digits)} – ${cell.upper.toFixed(digits)})`;
    };
    console.log(`\n${title}\n`);
    for (const row of [columns, columns.map(() => '---'), ...rows]) console.log(`| ${row.map(text).join(' | ')} |`);
  }
}
