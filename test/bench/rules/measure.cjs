/** One round of bench/rules.mjs: measures each expression and each entry in slices, in turn; reports ns per match. */
'use strict';
const { dirname, join } = require('node:path');

// Not exported: the cost model under test, and the matching that it models.
const rules = dirname(require.resolve('@lane/core/rules'));
const { Cost, costOfRegex, costOfRule } = require(join(rules, 'cost.js'));
const { compileLaneGroups } = require(join(rules, 'compile.js'));
const { requestView } = require(join(rules, 'request-view.js'));
const { regexWork } = require(join(rules, 'regex-work.js'));
const { compileRegex, MAX_REGEX_INPUT } = require(join(rules, 'matchers.js'));

const [, , slicesText, callsText, requestsText] = process.argv;
const [slices, calls, requests] = [slicesText, callsText, requestsText].map(Number);

/** Values of the maximum length that never end a search early. */
const filled = (text, last = '') => text.repeat(MAX_REGEX_INPUT).slice(0, MAX_REGEX_INPUT - last.length) + last;

/** Texts of two letters that all occur in a value, but not in order. */
const pairs = Array.from({ length: 32 }, (_, i) => `${String.fromCharCode(97 + (i % 26))}${String.fromCharCode(65 + i)}`);
const lettersOf = (i) => pairs[i].replace(/[^a-z0-9]/gi, (character) => `\\${character}`);

/** Each keeps as many states alive per character as it can, or is a typical expression. They differ in what a step examines. */
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
  // Little work for the automaton, but first all texts that a match must contain are searched for in the whole value.
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

/** The default limit of a request's header block. */
const HEAD = 16_000;
const full = 'x'.repeat(HEAD);
const RULES = 1_000;
const many = (ruleOf, count = RULES) => Array.from({ length: count }, (_, i) => ({ name: `rule-${i}`, ...ruleOf(i) }));
const repeated = (separator, textOf) => {
  let text = textOf(0);
  for (let i = 1; text.length < HEAD; i++) text += separator + textOf(i);
  return text;
};
const uuid = '0b5c7cb0-1f2e-4d6e-9a57-6c2b6ed5e4a1';

/** Entries where all rules are tried, and the most expensive request for them. */
const ENTRIES = [
  ['shares by a short cookie', many(() => ({ percent: 0.01, by: { cookie: 'u' } })), { headers: { cookie: `u=${uuid}` } }],
  ['shares by a key of 64', many(() => ({ percent: 0.01, by: { header: 'u' } })), { headers: { u: full.slice(0, 64) } }],
  ['shares by a key of 64, Chinese', many(() => ({ percent: 0.01, by: { header: 'u' } })), { headers: { u: '灰'.repeat(64) } }],
  ['shares by a cookie of 16 KB', many(() => ({ percent: 0.01, by: { cookie: 'u' } })), { headers: { cookie: `u=${full}` } }],
  ['shares by a parameter of 16 KB', many(() => ({ percent: 0.01, by: { query: 'u' } })), { url: `/?u=${full}` }],
  ['shares by addresses', many(() => ({ percent: 0.01, by: { clientIp: true } })), { clientIp: '::ffff:10.0.0.1' }],
  ['one parameter, of 8,000', many((i) => ({ match: { query: 'u', exact: `${i}` } }), 1), { url: `/?${repeated('&', () => 'a')}` }],
  ['one parameter, of 3,000', many((i) => ({ match: { query: 'u', exact: `${i}` } }), 1), { url: `/?${repeated('&', (i) => `${i}=`)}` }],
  ['one parameter, escapes', many((i) => ({ match: { query: 'u', exact: `${i}` } }), 1), { url: `/?u=${'%e4%b8%ad'.repeat(1_700)}` }],
  ['parameters, of 8,000', many((i) => ({ match: { query: `u${i}`, exact: 'x' } })), { url: `/?${repeated('&', () => 'a')}` }],
  ['one cookie, of 4,000', many((i) => ({ match: { cookie: 'u', exact: `${i}` } }), 1), { headers: { cookie: repeated(';', (i) => `${i}=`) } }],
  [
    'cookies that can not be decoded',
    many((i) => ({ match: { cookie: `${i}`, exact: 'x' } })),
    { headers: { cookie: repeated(';', (i) => `${i}=%ff`) } },
  ],
  [
    'cookies that can be decoded',
    many((i) => ({ match: { cookie: `${i}`, exact: 'x' } })),
    { headers: { cookie: repeated(';', (i) => `${i}=%c3%a9`) } },
  ],
  [
    'a header of 1,000 lines',
    many((i) => ({ match: { header: 'set-cookie', exact: `${i}` } })),
    { headers: { 'set-cookie': Array(1_000).fill('a=b') } },
  ],
  ['headers that are not there', many((i) => ({ match: { header: `h${i}`, exact: 'x' } })), {}],
  ['methods, a long one', many((i) => ({ match: { method: { exact: `${i}` } } })), { method: 'É'.repeat(HEAD / 2) }],
  ['hosts, a long one', many((i) => ({ match: { host: { exact: `${i}` } } })), { headers: { host: full } }],
  ['paths in lists, a long one', many((i) => ({ match: { path: { in: [`/${i}`, '/y'] } } })), { url: `/${full}` }],
  ['paths by prefixes of 50', many((i) => ({ match: { path: { prefix: `/${full.slice(0, 49)}${i}` } } })), { url: `/${full}` }],
  ['headers by suffixes of 50', many((i) => ({ match: { header: 'h', suffix: `${i}y${full.slice(0, 49)}` } })), { headers: { h: full } }],
  [
    'headers like texts of 8,000',
    many((i) => ({ match: { header: 'h', exact: `${full.slice(0, 8_000)}${i}` } }), 10),
    { headers: { h: `${full.slice(0, 8_000)}x` } },
  ],
  ['addresses', many((i) => ({ match: { clientIp: { in: [`2001:db8::${(i + 1).toString(16)}`] } } })), { clientIp: '2001:db8::ffff:1' }],
].map(([name, ofLane, request]) => {
  const lanes = [{ name: 'gray', tag: 'gray', rules: ofLane }];
  const groups = [{ name: 'g', services: ['a'], entry: { services: ['a'] }, lanes }];
  const entry = compileLaneGroups({ version: 1, groups }).entryOf('a');
  const like = { method: 'GET', url: '/', headers: {}, clientIp: undefined, ...request };
  // A fresh request, so that nothing is cached.
  const match = () => entry.match(requestView(like), () => 0.999_99);
  if (match() !== undefined) throw new Error(`${name}: not all rules were tried`);
  const cost = new Cost();
  for (const rule of ofLane) cost.add(costOfRule(rule));
  return { name, rules: ofLane.length, boundNs: cost.ns, match, spent: 0 };
});

const cpu = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

function run({ test, value }) {
  let found = 0;
  for (let i = 0; i < calls; i++) if (test(value)) found++;
  return found;
}

function enter({ match }) {
  let found = 0;
  for (let i = 0; i < requests; i++) if (match() !== undefined) found++;
  return found;
}

function spend(one, work) {
  const before = cpu();
  work(one);
  one.spent += cpu() - before;
}

// Warm up with all programs: in an entry, many run through the same code.
for (let i = 0; i < 3; i++) {
  for (const program of programs) run(program);
  for (const entry of ENTRIES) enter(entry);
}
for (let slice = 0; slice < slices; slice++) {
  for (const program of programs) spend(program, run);
  for (const entry of ENTRIES) spend(entry, enter);
}
process.send({
  version: process.version,
  programs: programs.map(({ name, source, spent }) => ({
    name,
    ...regexWork(source, false, Infinity),
    ns: (spent * 1000) / (slices * calls),
    boundNs: costOfRegex(source, false),
  })),
  entries: ENTRIES.map(({ name, rules: count, boundNs, spent }) => ({ name, rules: count, boundNs, ns: (spent * 1000) / (slices * requests) })),
});
process.disconnect();
