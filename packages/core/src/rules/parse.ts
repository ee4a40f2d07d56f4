/**
 * Validates lane-group documents. By hand and not with a schema library, because agents do this in other people's processes: it
 * must load fast and take little memory. A test compares it with the JSON Schema, with ajv as the oracle.
 */
import { LANE_METADATA_KEY } from '../names/metadata-key.js';
import { nearest } from '../names/nearest.js';
import { isTag, TAG_RULE } from '../names/tag.js';
import { isCidr } from './cidrs.js';
import { costProblems } from './cost.js';
import { findJsonError, lineAndColumn } from './json-syntax.js';
import { compileRegex } from './matchers.js';
import { isWholeSteps } from './percentage.js';
import { LIMITS, UNPRINTABLE_CHARACTERS } from './schema.js';
import type { LaneGroupsDocument, Problem } from './types.js';

/** A valid document, or all problems. */
export type ParsedLaneGroups =
  | { readonly ok: true; readonly document: LaneGroupsDocument }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Further problems are not reported: users fix the first ones first, and a large unrelated text must not fill the memory. */
export const MAX_PROBLEMS = 100;

/** Parses and checks a document, given as JSON text or as a value. Reports all problems at once, up to {@link MAX_PROBLEMS}. Never throws. */
export function parseLaneGroups(source: unknown): ParsedLaneGroups {
  let value = source;
  if (typeof source === 'string') {
    const text = source.startsWith('\uFEFF') ? source.slice(1) : source;
    try {
      value = JSON.parse(text);
    } catch (error) {
      return { ok: false, problems: [{ path: '', message: syntaxProblem(text, error as SyntaxError) }] };
    }
  }
  const problems: Problem[] = [];
  checkDocument(value, (path, message) => {
    if (problems.length < MAX_PROBLEMS) problems.push({ path, message });
  });
  if (problems.length === 0) problems.push(...costProblems(value as LaneGroupsDocument).slice(0, MAX_PROBLEMS));
  return problems.length === 0 ? { ok: true, document: value as LaneGroupsDocument } : { ok: false, problems };
}

/** The order of fields in the text of a document, for all its objects. */
const FIELDS = [
  '$schema',
  'version',
  'groups',
  'name',
  'tag',
  'enabled',
  'fallback',
  'polaris',
  'key',
  'values',
  'services',
  'entry',
  'baseMode',
  'lanes',
  'rules',
  'match',
  'percent',
  'by',
];

/** The text of a document, indented by two spaces: equal for equal documents with fields in any order, so that texts can be compared. */
export function laneGroupsToJson(document: LaneGroupsDocument): string {
  // A list as the second argument also sets the order of the fields (ECMA-262, SerializeJSONObject).
  return `${JSON.stringify(document, [...FIELDS, ...SUBJECTS, ...OPERATORS], 2)}\n`;
}

function syntaxProblem(text: string, error: SyntaxError): string {
  const found = findJsonError(text);
  if (found === undefined) return `is not JSON: ${error.message}`;
  const { line, column } = lineAndColumn(text, found.index);
  return `is not JSON: at line ${line}, column ${column} ${found.message}`;
}

type Report = (path: string, message: string) => void;
type Check = (value: unknown, path: string, report: Report) => void;
type Fields = Readonly<Record<string, unknown>>;

function checkDocument(value: unknown, report: Report): void {
  const document = object(value, '', report, ['$schema', 'version', 'groups'], ['version', 'groups']);
  if (document === undefined) return;
  if (has(document, '$schema') && typeof document['$schema'] !== 'string') report('/$schema', 'must be a string');
  if (has(document, 'version') && document['version'] !== 1)
    report('/version', `must be 1, the only version there is, not ${show(document['version'])}`);
  if (!has(document, 'groups')) return;
  list(document['groups'], '/groups', report, checkGroup);
  unique(document['groups'], '/groups', 'name', 'group', report);
}

const checkGroup: Check = (value, path, report) => {
  const group = object(value, path, report, ['name', 'services', 'entry', 'baseMode', 'lanes'], ['name', 'services', 'lanes']);
  if (group === undefined) return;
  if (has(group, 'name')) checkName(group['name'], `${path}/name`, report);
  if (has(group, 'services')) checkNames(group['services'], `${path}/services`, report);
  if (has(group, 'entry')) {
    const entry = object(group['entry'], `${path}/entry`, report, ['services'], ['services']);
    // A gateway is an entry that need not be one of the services.
    if (entry !== undefined && has(entry, 'services')) checkNames(entry['services'], `${path}/entry/services`, report);
  }
  if (has(group, 'baseMode') && group['baseMode'] !== 'untagged' && group['baseMode'] !== 'outside-enabled-lanes')
    report(`${path}/baseMode`, `must be "untagged" or "outside-enabled-lanes", not ${show(group['baseMode'])}`);
  if (has(group, 'lanes')) {
    list(group['lanes'], `${path}/lanes`, report, checkLane);
    unique(group['lanes'], `${path}/lanes`, 'name', 'lane', report);
    unique(group['lanes'], `${path}/lanes`, 'tag', 'lane', report);
    checkPolarisNames(group['lanes'], `${path}/lanes`, report);
  }
};

const checkLane: Check = (value, path, report) => {
  const lane = object(value, path, report, ['name', 'tag', 'enabled', 'fallback', 'polaris', 'rules'], ['name', 'tag']);
  if (lane === undefined) return;
  if (has(lane, 'name')) checkName(lane['name'], `${path}/name`, report);
  if (has(lane, 'tag') && !isTag(lane['tag'])) report(`${path}/tag`, `${show(lane['tag'])} is not a valid tag: must be ${TAG_RULE}`);
  if (has(lane, 'enabled') && typeof lane['enabled'] !== 'boolean') report(`${path}/enabled`, `must be true or false, not ${show(lane['enabled'])}`);
  if (has(lane, 'fallback') && lane['fallback'] !== 'base' && lane['fallback'] !== 'none')
    report(`${path}/fallback`, `must be "base" or "none", not ${show(lane['fallback'])}`);
  if (has(lane, 'polaris')) checkPolaris(lane['polaris'], `${path}/polaris`, report);
  if (has(lane, 'rules')) {
    list(lane['rules'], `${path}/rules`, report, checkRule);
    unique(lane['rules'], `${path}/rules`, 'name', 'rule', report);
  }
};

const checkPolaris: Check = (value, path, report) => {
  const polaris = object(value, path, report, ['key', 'values', 'name'], []);
  if (polaris === undefined) return;
  for (const field of ['key', 'name']) if (has(polaris, field)) checkName(polaris[field], `${path}/${field}`, report);
  if (has(polaris, 'values')) checkNames(polaris['values'], `${path}/values`, report);
};

/** What Polaris calls a lane, and its instances, must mean one lane of the group: calls and instances of the others would be those of the first. */
function checkPolarisNames(lanes: unknown, path: string, report: Report): void {
  if (!Array.isArray(lanes)) return;
  const tags = new Set<string>();
  const rules = new Map<string, number>();
  const labels = new Map<string, number>();
  lanes.forEach((lane, i) => {
    if (!isObject(lane) || typeof lane['tag'] !== 'string') return;
    const { tag } = lane;
    // That is reported already.
    if (tags.has(tag)) return;
    tags.add(tag);
    const polaris = isObject(lane['polaris']) ? lane['polaris'] : {};
    const { name = tag, key = LANE_METADATA_KEY, values = [tag] } = polaris;
    const once = (known: Map<string, number>, id: string, field: string, what: string): void => {
      const before = known.get(id);
      if (before === undefined) known.set(id, i);
      else if (before !== i) report(`${path}/${i}/${field}`, `${what} of the lane at ${path}/${before}: it must be unique`);
    };
    if (typeof name === 'string')
      once(rules, name, has(polaris, 'name') ? 'polaris/name' : 'tag', `${show(name)} is already the lane rule of Polaris`);
    if (typeof key !== 'string' || !Array.isArray(values)) return;
    for (const value of values)
      if (typeof value === 'string')
        once(
          labels,
          JSON.stringify([key, value]),
          has(polaris, 'values') ? 'polaris/values' : 'tag',
          `${show(key)}: ${show(value)} is already the label of Polaris`,
        );
  });
}

const checkRule: Check = (value, path, report) => {
  const rule = object(value, path, report, ['name', 'match', 'percent', 'by'], ['name']);
  if (rule === undefined) return;
  if (has(rule, 'name')) checkName(rule['name'], `${path}/name`, report);
  if (!has(rule, 'match') && !has(rule, 'percent')) report(path, 'needs "match", "percent" or both: without either it has no effect');
  if (has(rule, 'match')) checkMatcher(rule['match'], `${path}/match`, report, 1);
  const { percent } = rule;
  if (has(rule, 'percent')) {
    if (!(typeof percent === 'number' && percent >= 0 && percent <= 100))
      report(`${path}/percent`, `must be a number from 0 to 100, not ${show(percent)}`);
    else if (!isWholeSteps(percent)) report(`${path}/percent`, `must be in steps of 0.01, not ${show(percent)}`);
  }
  if (!has(rule, 'by')) return;
  if (!has(rule, 'percent')) report(`${path}/by`, 'needs "percent" beside it: it says what the percentage sticks to');
  const by = object(rule['by'], `${path}/by`, report, KEYS, []);
  if (by === undefined) return;
  if (Object.keys(by).length !== 1) report(`${path}/by`, `must have exactly one of ${KEYS.join(', ')}`);
  for (const key of KEYS) {
    if (!has(by, key)) continue;
    if (key !== 'clientIp') checkName(by[key], `${path}/by/${key}`, report);
    else if (by[key] !== true) report(`${path}/by/clientIp`, `must be true, not ${show(by[key])}`);
  }
};

const KEYS = ['header', 'cookie', 'query', 'clientIp'];
const OPERATORS = ['exact', 'prefix', 'suffix', 'regex', 'in', 'present', 'not'];
const NAMED = ['header', 'cookie', 'query'];
const SINGLE = ['host', 'path', 'method'];
const MATCHERS = ['all', 'any', 'not', ...SINGLE, ...NAMED, 'clientIp'];
/** `not` negates a condition, or beside one of NAMED a comparison. */
const SUBJECTS = MATCHERS.filter((kind) => kind !== 'not');

function checkMatcher(value: unknown, path: string, report: Report, depth: number): void {
  if (depth > LIMITS.depth) {
    report(path, `is nested deeper than ${LIMITS.depth} levels`);
    return;
  }
  if (!isObject(value)) {
    report(path, `must be an object with one of ${MATCHERS.join(', ')}, not ${show(value)}`);
    return;
  }
  const subjects = SUBJECTS.filter((kind) => has(value, kind));
  const [subject] = subjects;
  if (subjects.length === 1 && subject !== undefined && NAMED.includes(subject)) {
    object(value, path, report, [subject, ...OPERATORS], []);
    checkName(value[subject], `${path}/${subject}`, report);
    checkOperators(value, path, report, depth);
    return;
  }
  const kinds = MATCHERS.filter((kind) => has(value, kind));
  if (kinds.length > 1) {
    report(path, `must have exactly one of ${MATCHERS.join(', ')}, not ${kinds.join(' and ')}: put several into "all" or "any"`);
    return;
  }
  const unknown = Object.keys(value).length - kinds.length;
  object(value, path, report, MATCHERS, []);
  const [kind] = kinds;
  if (kind === undefined) {
    if (unknown === 0) report(path, `must have exactly one of ${MATCHERS.join(', ')}`);
    return;
  }
  const at = `${path}/${kind}`;
  if (kind === 'all' || kind === 'any') list(value[kind], at, report, (item, itemPath) => checkMatcher(item, itemPath, report, depth + 1), 1);
  else if (kind === 'not') checkMatcher(value[kind], at, report, depth + 1);
  else if (kind === 'clientIp') {
    const networks = object(value[kind], at, report, ['in'], ['in']);
    if (networks !== undefined && has(networks, 'in')) list(networks['in'], `${at}/in`, report, checkNetwork, 1);
  } else {
    const match = object(value[kind], at, report, OPERATORS, []);
    if (match === undefined) return;
    checkOperators(match, at, report, depth);
    if (match['exact'] === '') report(`${at}/exact`, `must not be empty: no request has an empty ${kind}`);
  }
}

const checkNetwork: Check = (value, path, report) => {
  if (typeof value !== 'string') report(path, `must be a string, not ${show(value)}`);
  else if (!isCidr(value)) report(path, `${show(value)} is not a network: must be an address, or CIDR such as 10.0.0.0/8`);
};

function checkOperators(match: Fields, path: string, report: Report, depth: number): void {
  const used = OPERATORS.filter((operator) => has(match, operator));
  if (used.length > 1) report(path, `must have exactly one operator of ${OPERATORS.join(', ')}, not ${used.join(' and ')}`);
  // An unknown field has been reported, and is the cause.
  const isKnown = (field: string): boolean => OPERATORS.includes(field) || NAMED.includes(field);
  if (used.length === 0 && Object.keys(match).every(isKnown)) report(path, `must have exactly one operator of ${OPERATORS.join(', ')}`);
  for (const operator of used) {
    const value = match[operator];
    const at = `${path}/${operator}`;
    if (operator === 'in')
      list(value, at, report, (item, itemPath) => void (typeof item !== 'string' && report(itemPath, `must be a string, not ${show(item)}`)), 1);
    else if (operator === 'present') {
      if (typeof value !== 'boolean') report(at, `must be true or false, not ${show(value)}`);
    } else if (operator === 'not') {
      if (depth >= LIMITS.depth) report(at, `is nested deeper than ${LIMITS.depth} levels`);
      else {
        const inner = object(value, at, report, OPERATORS, []);
        if (inner !== undefined) checkOperators(inner, at, report, depth + 1);
      }
    } else if (typeof value !== 'string') report(at, `must be a string, not ${show(value)}`);
    else if (value === '' && operator !== 'exact') report(at, 'must not be empty: it would match everything');
    else if (operator === 'regex') checkRegex(value, at, report);
  }
}

function checkRegex(source: string, path: string, report: Report): void {
  if (codePoints(source) > LIMITS.regexLength) {
    report(path, `must have at most ${LIMITS.regexLength} characters: compare whole values by "in"`);
    return;
  }
  try {
    compileRegex(source);
  } catch (error) {
    report(path, `${show(source)} is not a valid RE2 regular expression (no look-around, no back-references): ${(error as Error).message}`);
  }
}

function checkName(value: unknown, path: string, report: Report): void {
  if (typeof value !== 'string') report(path, `must be a string, not ${show(value)}`);
  else if (value.trim() === '') report(path, 'must not be empty');
  else if (codePoints(value) > LIMITS.nameLength) report(path, `must have at most ${LIMITS.nameLength} characters`);
  else if (UNPRINTABLE.test(value))
    report(
      path,
      `${show(value)} contains a control character, a line break or an unpaired surrogate: names are written into logs, headers and configurations`,
    );
}

const UNPRINTABLE = new RegExp(UNPRINTABLE_CHARACTERS, 'u');

function checkNames(value: unknown, path: string, report: Report): void {
  list(value, path, report, checkName, 1);
  if (!Array.isArray(value)) return;
  const seen = new Set<unknown>();
  value.forEach((name, i) => {
    if (typeof name === 'string' && seen.has(name)) report(`${path}/${i}`, `${show(name)} is listed twice`);
    seen.add(name);
  });
}

function list(value: unknown, path: string, report: Report, check: Check, atLeast = 0): void {
  if (!Array.isArray(value)) {
    report(path, `must be a list, not ${show(value)}`);
    return;
  }
  if (value.length < atLeast) report(path, 'must not be empty');
  if (value.length > LIMITS.items) {
    report(path, `must have at most ${LIMITS.items} items, not ${value.length}`);
    return;
  }
  // Not forEach, which skips holes of a sparse list.
  for (let i = 0; i < value.length; i++) check(value[i], `${path}/${i}`, report);
}

function unique(items: unknown, path: string, field: string, what: string, report: Report): void {
  if (!Array.isArray(items)) return;
  const seen = new Map<unknown, number>();
  items.forEach((item, i) => {
    const value = isObject(item) ? item[field] : undefined;
    if (typeof value !== 'string') return;
    const before = seen.get(value);
    if (before === undefined) seen.set(value, i);
    else report(`${path}/${i}/${field}`, `${show(value)} is already the ${field} of the ${what} at ${path}/${before}: it must be unique`);
  });
}

/** The value as an object with known fields only; otherwise undefined, and a problem. */
function object(value: unknown, path: string, report: Report, known: readonly string[], required: readonly string[]): Fields | undefined {
  if (!isObject(value)) {
    report(path, `must be an object, not ${show(value)}`);
    return undefined;
  }
  for (const field of required) if (!has(value, field)) report(path, `lacks ${JSON.stringify(field)}`);
  for (const field of Object.keys(value)) {
    if (known.includes(field)) continue;
    const meant = nearest(field, known);
    report(
      `${path}/${field.replaceAll('~', '~0').replaceAll('/', '~1')}`,
      `is not a known field${meant === undefined ? `: must be one of ${known.join(', ')}` : `: did you mean ${JSON.stringify(meant)}?`}`,
    );
  }
  return value;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function has(fields: Fields, field: string): boolean {
  return Object.hasOwn(fields, field);
}

/** A value in short, without the contents of lists and objects, which may be endless, or deeper than the stack. */
function show(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? '[]' : 'a list';
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0 ? '{}' : 'an object';
  // JSON writes C1 and U+2028 as they are, and terminals would obey them.
  if (typeof value === 'string')
    return JSON.stringify(value.length > MAX_SHOWN_LENGTH ? `${value.slice(0, MAX_SHOWN_LENGTH)}…` : value).replace(
      /[\u007f-\u009f\u2028\u2029]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
  return value === undefined ? 'nothing' : typeof value === 'function' ? 'a function' : String(value as number | boolean | null);
}

const MAX_SHOWN_LENGTH = 60;

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
