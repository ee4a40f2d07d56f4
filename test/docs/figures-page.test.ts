/** The documents' page of figures matches the saved results of the benchmarks: `npm run docs -- --write` regenerates it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Table } from '../bench/lib/bench.mjs' with { 'resolution-mode': 'import' };

interface Result {
  readonly name: string;
  readonly node: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly measuredAt: string;
  readonly how: string;
  readonly tables: readonly Table[];
}

/** The command that reproduces a result: `request-others-node24`. */
function commandOf(name: string): string {
  const [, bench, chosen, node] = /^([^-]+)(?:-(?!node)([^-]+))?(?:-node(\d+))?$/.exec(name) ?? [];
  const choice = chosen === undefined ? '' : chosen === 'others' ? ' --beside others' : ` --workload ${chosen}`;
  return `${bench}${choice}${node === undefined ? '' : ` --node <Node.js ${node}>`}`;
}

test('docs/reference/figures.md has the saved figures', async () => {
  const { markdownOf } = await import('../bench/lib/bench.mjs');
  const folder = join(__dirname, '../bench/results');
  const results = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Result);
  const section = ({ name, node, cores, processor, memoryGib, measuredAt, how, tables }: Result): string => `## ${name}

\`npm run bench -- ${commandOf(name)}\`; Node ${node}, ${cores} cores (${processor}), ${memoryGib} GiB, ${measuredAt}: ${how}.

${tables.map(markdownOf).join('\n')}`;
  await expect(`# Figures

<!-- Written by \`npm run docs -- --write\` from test/bench/results. -->

All tables that the benchmarks have saved. [Performance](../performance.md) says what they mean. Compare figures only within a table, and believe no difference that is smaller
than that between two runs of the same ("again").

${results.map(section).join('\n')}`).toMatchFileSnapshot(join(__dirname, '../../docs/reference/figures.md'));
});
