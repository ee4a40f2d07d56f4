/** One round of bench/rules.mjs: each program in slices, in turns; tells the ns a step of each. */
'use strict';
const { dirname, join } = require('node:path');

// Not exported: the model that is measured, and the matching that it is of.
const rules = dirname(require.resolve('@lane/core/rules'));
const { regexSteps } = require(join(rules, 'cost.js'));
const { compileRegex, MAX_REGEX_INPUT, regexProgramOf } = require(join(rules, 'matchers.js'));

const [, , slicesText, callsText] = process.argv;
const [slices, calls] = [Number(slicesText), Number(callsText)];

/** As long as values may be, and none that ends a search early. */
const filled = (text, last = '') => text.repeat(MAX_REGEX_INPUT).slice(0, MAX_REGEX_INPUT - last.length) + last;

/** Each keeps as many states as it can alive at each character; they differ in what a step looks at. */
const PROGRAMS = [
  ['(a?){50}a{50}$', filled('a', 'b')],
  ['(a?){200}a{200}$', filled('a', 'b')],
  ['(?:a?){200}a{200}$', filled('a', 'b')],
  ['(?:a?){50}a{50}', filled('b')],
  ['((((a?)b?)c?)d?){40}x$', filled('abcd')],
  ['([a-z]?){100}[a-z]{100}$', filled('m', '0')],
  ['([^0-9]?){100}[^0-9]{100}$', filled('m', '0')],
  ['(.?){100}.{100}\\n', filled('m')],
  ['(\\p{L}?){50}\\p{L}{50}$', filled('\u4e2d', '0')],
  ['(\\p{L}?){50}\\p{L}{50}$', filled('\ud55c', '0')],
  ['(\\P{Han}?){50}\\P{Han}{50}$', filled('\ud55c', '\u4e2d')],
  ['(?i)(k?){100}k{100}$', filled('\u212a', 'b')],
  ['(\\w?\\b){100}\\w{100}$', filled('a ')],
  ['(?:(?:ab|ac|ad|ae)*|(?:ae|af|ag)*){20}z$', filled('ae')],
  ['(x+x+)+y', filled('x')],
  ['[a-z]+@example[.]com', filled('a')],
];
const programs = [
  ...PROGRAMS.map(([source, value]) => ({ name: `\`${source}\` on ${JSON.stringify(value.slice(0, 2))}`, source, value })),
  { name: `\`${PROGRAMS[0][0]}\`, again`, source: PROGRAMS[0][0], value: PROGRAMS[0][1] },
  { name: 'a value that is too long', source: PROGRAMS[0][0], value: `${PROGRAMS[0][1]}x` },
].map((program) => ({ ...program, test: compileRegex(program.source, true), spent: 0 }));

const cpu = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

function run({ test, value }) {
  let found = 0;
  for (let i = 0; i < calls; i++) if (test(value)) found++;
  return found;
}

// Until the compiler is done, with all programs: in an entry many run through the same code.
for (let i = 0; i < 3; i++) for (const program of programs) run(program);
for (let slice = 0; slice < slices; slice++) {
  for (const program of programs) {
    const before = cpu();
    run(program);
    program.spent += cpu() - before;
  }
}
process.send({
  version: process.version,
  programs: programs.map(({ name, source, spent }) => ({
    name,
    instructions: regexProgramOf(source),
    nsPerStep: (spent * 1000) / (slices * calls * regexSteps(source)),
  })),
});
process.disconnect();
