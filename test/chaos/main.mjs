/**
 * `npm run chaos [-- --fault NAME …] [--seconds N] [--quick] [--rate N] [--hold SECONDS] [--nacos KIND]`: injects faults, and prints what happened to the requests
 * as Markdown; writes it as JSON to .cache/chaos.json.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { load } from '../bench/injector/typescript.mjs';

const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
const { Rig } = load(join(here, 'rig.ts'));
const { FAULTS, QUICK } = load(join(here, 'faults.ts'));
const { values } = parseArgs({
  options: {
    fault: { type: 'string', multiple: true },
    seconds: { type: 'string' },
    quick: { type: 'boolean' },
    rate: { type: 'string' },
    hold: { type: 'string' },
    nacos: { type: 'string', default: 'embedded' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(`Injects faults into services A → B → C under load, and prints how many requests went astray or failed.

Usage: npm run chaos -- [options]

  --fault NAME    run only this fault; may be repeated. Default: all
  --quick         run Nacos' timeouts and the faults ten times as fast: about 12 s per fault instead of a minute or more
  --seconds N     hold a fault for this many seconds
  --nacos KIND    the Nacos to use: embedded (default), 2.2.4 (a real one) or cluster (three real ones; Linux, root); both real kinds need a JDK
  --rate N        requests per second. Default: 90, with --quick 45
  --hold SECONDS  LANE_REGISTRY_HOLD of the services and the gateway. Default: 40, as for Nacos

Faults:
${Object.keys(FAULTS)
  .map((name) => `  ${name}`)
  .join('\n')}`);
  process.exit(0);
}
const unknown = (values.fault ?? []).filter((name) => !Object.hasOwn(FAULTS, name));
if (unknown.length > 0) {
  console.error(`Unknown fault: ${unknown.join(', ')}. Faults: ${Object.keys(FAULTS).join('; ')}`);
  process.exit(2);
}
if (!['embedded', '2.2.4', 'cluster'].includes(values.nacos)) {
  console.error(`Unknown Nacos: ${values.nacos}. Use embedded, 2.2.4 or cluster`);
  process.exit(2);
}
const shape = values.quick ? QUICK : { rate: 90, speed: 1 };
const names = values.fault ?? Object.keys(FAULTS);
const ownClocks = names.some((name) => FAULTS[name].needs === 'clocks that can be set');
const options = {
  ...shape,
  ownClocks,
  nacos: values.nacos,
  auth: values.nacos !== 'cluster',
  ...(values.rate && { rate: Number(values.rate) }),
  ...(values.hold && { holdS: Number(values.hold) }),
};
const rig = await Rig.start(options);
const results = {};
const out = join(here, '../../.cache');
try {
  console.log('| fault | requests | wrong lane | failed | seconds until right again |\n| --- | --- | --- | --- | --- |');
  for (const name of names) {
    if (!rig.canCarryOut(FAULTS[name])) {
      if (values.fault !== undefined) console.error(`  ${name}: needs ${FAULTS[name].needs}`);
      continue;
    }
    await rig.untilRight();
    const measured = await rig.measure(FAULTS[name], values.seconds && Number(values.seconds));
    results[name] = measured;
    const { requests, wrong, failed, untilRightS, example, by, said } = measured;
    console.log(`| ${name} | ${requests} | ${wrong} | ${failed} | ${untilRightS} |`);
    if (example !== undefined) console.error(`  ${example}\n  ${JSON.stringify(by)}\n  ${JSON.stringify(said)}`);
    mkdirSync(out, { recursive: true });
    writeFileSync(join(out, 'chaos.json'), `${JSON.stringify({ ...options, node: process.version, results }, undefined, 2)}\n`);
  }
} finally {
  await rig.close();
}
process.exit(0);
