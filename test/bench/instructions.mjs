/**
 * Instructions that the processor carries out for a request and for a start, counted by Valgrind: a guard against slow drift that no clock and no neighbour disturbs. Node compiles as it
 * does in production, but on its one thread (--predictable), and collects no garbage while it is counted. Two runs agree to two in a thousand. The figures are no times:
 * what the kernel does is not counted, and one instruction takes longer than another.
 *
 *   npm run bench -- instructions [--save]
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { machine, publish, readOptions, savedName, spread } from './lib/bench.mjs';
import { WORKLOADS } from './lib/workloads.mjs';

/** In the others most is done by the kernel, or by the client. */
const COUNTED = Object.keys(WORKLOADS).filter((name) => !['upload', 'download', 'websocket'].includes(name));
/** The default workloads; the others need what `npm run bench -- request` installs. */
const USUAL = ['http', 'fetch'];
const options = readOptions({
  name: 'instructions',
  purpose:
    'Counts the instructions of a request and of a start with Valgrind (callgrind) and compares them with those recorded by --save. Linux; needs valgrind.',
  numbers: {
    before: { what: 'requests before those that are counted, until the code is compiled', usual: 8_000, quick: 100 },
    requests: { what: 'requests to count', usual: 500, quick: 20 },
    times: { what: 'counts per variant', usual: 1, quick: 1 },
  },
  choices: {
    workload: {
      what: 'what A does; more: all but the default',
      of: [...COUNTED, 'more'],
      usual: `${USUAL.join(', ')}, with --quick http alone`,
    },
  },
});
const agent = createRequire(import.meta.url).resolve('@lane/agent');
const file = (name) => fileURLToPath(new URL(name, import.meta.url));
const script = file('instructions/requests.cjs');
const NAME = options.workload === undefined ? 'instructions' : `instructions-${options.workload}`;
const kept = file(`results/${savedName(NAME, options.node)}.json`);

const VARIANTS = [
  { name: 'no agent', preload: [], args: ['tagged', 'unknown'] },
  { name: 'no agent, again', preload: [], args: ['tagged', 'unknown'] },
  { name: 'an idle AsyncLocalStorage', preload: [file('preload/idle-als.cjs')], args: ['tagged', 'unknown'] },
  { name: 'ten lines that carry a header', preload: [file('others/preload/ten-lines.cjs')], args: ['tagged', 'unknown'] },
  { name: 'Lane, untagged', preload: [agent], args: ['untagged', 'unknown'] },
  { name: 'Lane, untagged, to a known instance', preload: [agent], args: ['untagged', 'known'] },
  { name: 'Lane, tagged', preload: [agent], args: ['tagged', 'unknown'] },
  { name: 'Lane, tagged and corrected', preload: [agent], args: ['tagged', 'known'] },
];

/** What precedes the app in its process. */
const STARTS = [
  { name: 'no agent', preload: [] },
  { name: 'no agent, again', preload: [] },
  { name: 'node:http alone', preload: ['http'] },
  { name: 'Lane', preload: [agent] },
  { name: '@opentelemetry/instrumentation-http', preload: [file('preload/instrumentation-http.cjs')] },
];
const fromHere = file('instructions/count-from-here.cjs');

const requires = (preload) => preload.flatMap((path) => ['--require', path]);

/** Thousands of instructions of `node` with these arguments, from where it asks for the count. */
function count(args) {
  const { stderr, status, error } = spawnSync(
    'valgrind',
    ['--tool=callgrind', '--instr-atstart=no', '--callgrind-out-file=/dev/null', options.node, ...args],
    {
      env: { ...process.env, NODE_OPTIONS: '' },
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  const found = /refs:\s+([\d,]+)/.exec(String(stderr))?.[1];
  if (error?.code === 'ENOENT') {
    console.error('Valgrind is not installed: apt-get install valgrind');
    process.exit(1);
  }
  if (status !== 0 || found === undefined) throw error ?? new Error(String(stderr));
  return Number(found.replaceAll(',', '')) / 1_000;
}

/** Thousands of instructions of a request. */
function countRequest({ preload, args }, workload) {
  const flags = [
    '--predictable',
    '--single-threaded',
    // No collection meanwhile: whether one falls into what is counted is chance.
    '--min-semi-space-size=1024',
    '--max-semi-space-size=1024',
    '--hash-seed=1',
    '--random-seed=1',
  ];
  return count([...flags, ...requires(preload), script, ...[options.before, options.requests, ...args, workload].map(String)]) / options.requests;
}

const countStart = ({ preload }) => count([...requires([fromHere, ...preload]), '-e', '0']);

const recorded = existsSync(kept) ? JSON.parse(readFileSync(kept, 'utf8')) : undefined;
/** Another Node compiles otherwise. */
const before = recorded?.node === machine(options.node).node ? recorded : undefined;

/** A table of what is counted for each variant. */
function tableOf(title, variants, counted) {
  const figures = variants.map((variant) => {
    const each = [];
    for (let i = 0; i < options.times; i++) each.push(counted(variant));
    console.error(`${title}: ${variant.name}: ${spread(each).median.toFixed(0)} thousand`);
    return spread(each);
  });
  const [none] = figures;
  const earlier = before?.tables.find((table) => table.title === title);
  return {
    title,
    columns: ['variant', 'thousands', 'added to no agent', 'of no agent', before === undefined ? 'recorded: none' : `recorded ${before.measuredAt}`],
    rows: variants.map(({ name }, i) => [
      name,
      figures[i].median,
      (figures[i].median - none.median).toFixed(0),
      (figures[i].median / none.median).toFixed(3),
      earlier?.rows.find(([same]) => same === name)?.[2] ?? '',
    ]),
    digits: 0,
  };
}

const chosen = {
  more: COUNTED.filter((name) => !USUAL.includes(name)),
  undefined: options.quick ? ['http'] : USUAL,
}[options.workload] ?? [options.workload];
const tables = [
  ...(options.workload === undefined ? [tableOf('a start of node -e 0, from its first preload', STARTS, countStart)] : []),
  ...chosen.map((workload) => tableOf(WORKLOADS[workload], VARIANTS, (variant) => countRequest(variant, workload))),
];
publish({
  name: NAME,
  options,
  how: `${options.requests} requests after ${options.before}; medians of ${options.times}, in thousands. User code of client and both services, in one process`,
  tables,
});
