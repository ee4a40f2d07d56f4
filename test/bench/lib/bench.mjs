/** Shared by all benchmarks: options and their help, quantiles, tables, and saved results. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { arch, cpus, platform, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/**
 * Reads the command line of a benchmark; `--help` prints the options and ends the process.
 *
 * @param {{ name: string, purpose: string, numbers: Record<string, { what: string, usual: number, brief?: number, quick: number }>,
 *   choices?: Record<string, { what: string, of: readonly string[], usual?: string }> }} bench `purpose`: a sentence on what it measures; `brief`: the
 *   value for `npm run bench` without a name, by default `usual`; `usual` of a choice: what the help says of its default
 * @returns its numbers and choices (undefined: its default) by name, and `node`, `json`, `save`, `quick`
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
      ...Object.entries(choices).map(([option, { what, of, usual = 'all' }]) => [
        `--${option} <name>`,
        `${what}: ${of.join(', ')} (default: ${usual})`,
      ]),
      ['--brief', 'fewer rounds, as `npm run bench` alone does'],
      ['--quick', 'few and short rounds, to see that it runs: its figures mean little'],
      ['--node <path>', 'the Node.js to measure (default: this one)'],
      ['--json', 'print the result as JSON'],
      ['--save', `write the result to test/bench/results/${name}.json, or a file beside it if other options choose what is measured`],
      ['--help', 'print this help'],
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

/** The value below which a share of a list lies; 0.5: the median. Interpolates, as R and NumPy do (Hyndman and Fan, 1996, type 7): the median of two is their mean. */
export function quantile(list, share) {
  const sorted = list.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)];
  return below + (sorted[Math.ceil(at)] - below) * (at % 1);
}

/** Median and quartiles of some figures. */
export function spread(list) {
  return { median: quantile(list, 0.5), lower: quantile(list, 0.25), upper: quantile(list, 0.75) };
}

/** In a different order each time, so that none always follows the same neighbour. */
export function shuffled(list) {
  return list
    .map((item) => ({ item, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

const WARMUP_TURNS = 6;

/**
 * Warms processes up until their compilers are done, a part of the requests at a time and in a different order each time. V8 discards compiled code of a
 * process that waits while all the others warm up, so the first one would be slower (fetch took twice the time).
 *
 * @template T
 * @param {readonly T[]} running
 * @param {number} count requests, messages or the like, for each
 * @param {(one: T, count: number) => Promise<unknown>} send
 */
export async function warmUp(running, count, send) {
  const each = Math.ceil(count / WARMUP_TURNS);
  for (let sent = 0; sent < count; sent += each) {
    for (const one of shuffled(running)) await send(one, each);
  }
}

/**
 * Runs a measuring script `rounds` times, each in a separate process, so that compiler and heap see nothing else. Returns the message of each.
 *
 * @param {{ node: string, rounds: number }} options
 * @param {URL} script sends one message
 * @param {readonly number[]} args its arguments
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

/** CPU time that a process has used so far, in µs; it answers the message `cpu` with it. */
export async function cpuOf({ child }) {
  child.send('cpu');
  const [{ cpu }] = await once(child, 'message');
  return cpu;
}

/** The machine and Node.js of the measurement. */
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

/** Under which name a result is saved; that of another Node.js does not replace it. */
export function savedName(name, node) {
  return node === process.execPath ? name : `${name}-node${/\d+/.exec(machine(node).node)[0]}`;
}

/**
 * Prints the tables as Markdown, or the result as JSON; `--save` also writes it to a file.
 *
 * @param {{ name: string, options: { node: string, json: boolean, save: boolean }, how: string,
 *   tables: { title: string, columns: string[], rows: (string | number | { median: number, lower: number, upper: number })[][], digits?: number }[] }} result
 */
export function publish({ name, options, how, tables }) {
  const saved = savedName(name, options.node);
  const result = { name: saved, ...machine(options.node), measuredAt: new Date().toISOString().slice(0, 10), how, tables };
  if (options.save) {
    const folder = fileURLToPath(new URL('../results/', import.meta.url));
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}${saved}.json`, `${JSON.stringify(result, null, 2)}\n`);
  }
  if (options.json) {
    console.log(JSON.stringify(result, null, 2));
    return;
  }
  console.log(`Node ${result.node}, ${result.cores} cores; ${how}\n\n${tables.map((table) => markdownOf(table)).join('\n')}`);
}

/**
 * A table as Markdown, ending in a line break.
 *
 * @param {{ title: string, columns: readonly string[],
 *   rows: readonly (readonly (string | number | { median: number, lower: number, upper: number })[])[], digits?: number }} table
 */
export function markdownOf({ title, columns, rows, digits = 2 }) {
  const text = (cell) => {
    if (typeof cell === 'number') return cell.toFixed(digits);
    if (typeof cell === 'string') return cell.replaceAll('|', '\\|');
    return `${cell.median.toFixed(digits)} (${cell.lower.toFixed(digits)} – ${cell.upper.toFixed(digits)})`;
  };
  const lines = [columns, columns.map(() => '---'), ...rows].map((row) => `| ${row.map(text).join(' | ')} |`);
  return `${title}\n\n${lines.join('\n')}\n`;
}
