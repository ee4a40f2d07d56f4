/** One round of bench/rules.mjs: each program in slices, in turns; tells the ns a match of each. */
'use strict';
const { dirname, join } = require('node:path');

// Not exported: the model that is measured, and the matching that it is of.
const rules = dirname(require.resolve('@lane/core/rules'));
const { costOfRegex } = require(join(rules, 'cost.js'));
const { regexWork } = require(join(rules, 'regex-work.js'));
const { compileRegex, MAX_REGEX_INPUT } = require(join(rules, 'matchers.js'));

const [, , slicesText, callsText] = process.argv;
const [slices, calls] = [Number(slicesText), Number(callsText)];

/** As long as values may be, and none that ends a search early. */
const filled = (text, last = '') => text.repeat(MAX_REGEX_INPUT).slice(0, MAX_REGEX_INPUT - last.length) + last;

/** Texts of two letters, and each of them somewhere in a value, but not in their order. */
const pairs = Array.from({ length: 32 }, (_, i) => `${String.fromCharCode(97 + (i % 26))}${String.fromCharCode(65 + i)}`);
const lettersOf = (i) => pairs[i].replace(/[^a-z0-9]/gi, (character) => `\\${character}`);

/** Each keeps as many states as it can alive at each character, or is what people write; they differ in what a step looks at. */
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
  ['(?i)(ſ?){100}ſ{100}$', filled('\u017f', 'b')],
  ['(?i)(k?){20}k{20}$', filled('\u212a', 'b')],
  ['[a-z]+@example[.]com', filled('a', ' @example.com')],
  ['[a-z]+@example[.]com', filled('a@example.co', ' @example.com')],
  ['\\bgray\\b', filled('gra ', 'gray0')],
  ['.*gray.*canary$', filled('graycanary', '0')],
  ['(?i)iphone|ipad|android', filled('ipa iphon androi')],
  ['[0-9]+-[0-9]+$', filled('1')],
  ['^Bearer [A-Za-z0-9_-]+$', `Bearer ${filled('a', '.').slice(7)}`],
  ['^(?:alice|bob)@www\\.example\\.com$', 'alice@www.example.com.'],
  ['^a', filled('b')],
  // Little to do for the automaton, but all texts that a match has to hold are looked for in the whole value first.
  [`^${pairs.map((_, i) => `(?:${lettersOf(i)}|0${lettersOf(i)})`).join('')}`, filled('z', pairs.toReversed().join(''))],
  [`^${pairs.map((_, i) => `${lettersOf(i)}.`).join('')}`, filled('z', pairs.toReversed().join(''))],
];
const programs = [
  ...PROGRAMS.map(([source, value]) => ({
    name: `\`${source.length > 40 ? `${source.slice(0, 37)}…` : source}\` on ${JSON.stringify(value.slice(0, 2))}`,
    source,
    value,
  })),
  { name: `\`${PROGRAMS[0][0]}\`, again`, source: PROGRAMS[0][0], value: PROGRAMS[0][1] },
  { name: 'a value that is too long', source: PROGRAMS[0][0], value: `${PROGRAMS[0][1]}x` },
].map((program) => ({ ...program, test: compileRegex(program.source), spent: 0 }));

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
    ...regexWork(source, false, Infinity),
    ns: (spent * 1000) / (slices * calls),
    boundNs: costOfRegex(source, false),
  })),
});
process.disconnect();
