/**
 * `npm run chaos [-- --fault NAME …] [--seconds N] [--quick] [--rate N]`: carries faults out and prints what became of the requests,
 * as Markdown; as JSON in .cache/chaos.json.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { load } from '../bench/injector/typescript.mjs';

const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
const { Rig } = load(join(here, 'rig.ts'));
const { FAULTS } = load(join(here, 'faults.ts'));
const { values } = parseArgs({
  options: { fault: { type: 'string', multiple: true }, seconds: { type: 'string' }, quick: { type: 'boolean' }, rate: { type: 'string' } },
});
const unknown = (values.fault ?? []).filter((name) => !Object.hasOwn(FAULTS, name));
if (unknown.length > 0) {
  console.error(`There is no fault ${unknown.join(', ')}. Faults: ${Object.keys(FAULTS).join('; ')}`);
  process.exit(2);
}
const { QUICK } = load(join(here, 'expected.ts'));
const options = values.quick ? QUICK : { rate: 90, speed: 1 };
const rig = await Rig.start({ ...options, ...(values.rate && { rate: Number(values.rate) }) });
const results = {};
const out = join(here, '../../.cache');
try {
  console.log('| fault | requests | wrong lane | failed | seconds until right again |\n| --- | --- | --- | --- | --- |');
  for (const name of values.fault ?? Object.keys(FAULTS)) {
    await rig.untilRight();
    const measured = await rig.measure(FAULTS[name], values.seconds && Number(values.seconds));
    results[name] = measured;
    const { requests, wrong, failed, untilRightS, example, by } = measured;
    console.log(`| ${name} | ${requests} | ${wrong} | ${failed} | ${untilRightS} |`);
    if (example !== undefined) console.error(`  ${example} ${JSON.stringify(by)}`);
    mkdirSync(out, { recursive: true });
    writeFileSync(join(out, 'chaos.json'), `${JSON.stringify({ ...options, node: process.version, results }, undefined, 2)}\n`);
  }
} finally {
  await rig.close();
}
process.exit(0);
