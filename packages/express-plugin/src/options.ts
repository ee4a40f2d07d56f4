import {
  compileLaneGroups,
  compileTrust,
  isCidr,
  parseLaneGroups,
  type LaneGroupsDocument,
  type LaneRules,
  type Trust,
  type TrustTest,
} from '@lane/core/rules';
import {
  BAGGAGE_KEY_ACCEPTED,
  FORMATS_ACCEPTED,
  isBaggageKey,
  isFormatName,
  isTag,
  TAG_RULE,
  type FormatName,
  type Log,
  type Tag,
} from '@lane/core/model';

/** Options of {@link lane}; all are optional. Without `rules`, inbound tags are still read. */
export interface LaneOptions {
  /** Name of this service in the lane groups; needed with `rules`. */
  readonly service?: string | undefined;
  /** This instance's own tag; needed with `stamp`. */
  readonly tag?: Tag | undefined;
  /** Gives requests that have no tag this instance's own. Default false. */
  readonly stamp?: boolean | undefined;
  /** Formats that its `laneHeaders` write. Default `['baggage']`. */
  readonly formats?: readonly FormatName[] | undefined;
  /** Formats read; if two disagree, the first listed wins. Default: those written. */
  readonly formatsIn?: readonly FormatName[] | undefined;
  /** Key of the entry in the W3C `baggage` header. Default `lane`. */
  readonly baggageKey?: string | undefined;
  /** The lane groups: a document, a compiled one, or a function that returns the current one and is called at each request. */
  readonly rules?: LaneRules | LaneGroupsDocument | (() => LaneRules | undefined) | undefined;
  /** Whose inbound tags are trusted: everybody's, nobody's, or those of peers in these networks. Default `all`. */
  readonly trust?: Trust | undefined;
  /** Log for problems at request time. Default: process warnings, once per cause. */
  readonly log?: Log | undefined;
}

/** Checked and compiled options. */
export interface PreparedOptions {
  readonly service: string | undefined;
  /** This instance's tag, if it stamps. */
  readonly stamp: Tag | undefined;
  readonly formats: readonly FormatName[];
  readonly formatsIn: readonly FormatName[];
  readonly baggageKey: string | undefined;
  readonly hasRules: boolean;
  /** The rules in force now. */
  readonly rules: () => LaneRules | undefined;
  /** undefined: everybody is trusted, without a check. */
  readonly trusts: TrustTest | undefined;
  readonly log: Log;
}

/** Thrown by {@link lane} for an invalid option: names it, its value, and what it must be. */
export class InvalidOptionError extends TypeError {
  readonly code = 'ELANE_INVALID_OPTION';
  readonly option: string;

  constructor(option: string, value: unknown, accepted: string, what = `option ${option}${value === undefined ? '' : ` = ${show(value)}`}`) {
    super(`ELANE_INVALID_OPTION: ${what} of lane() is not valid: must be ${accepted}`);
    this.name = 'InvalidOptionError';
    this.option = option;
  }
}

const FORMAT_LIST_ACCEPTED = `a list of ${FORMATS_ACCEPTED}`;
const RULES_ACCEPTED = 'a lane-groups document, what compileLaneGroups() gives, or a function that gives it';

/** What each option accepts: a check, and its description. */
const CHECKS: { readonly [O in keyof LaneOptions]-?: readonly [is: (value: unknown) => boolean, accepted: string] } = {
  service: [(value) => typeof value === 'string' && value.trim() !== '', 'the name of a service'],
  tag: [isTag, TAG_RULE],
  stamp: [(value) => typeof value === 'boolean', 'true or false'],
  formats: [isFormats, FORMAT_LIST_ACCEPTED],
  formatsIn: [isFormats, FORMAT_LIST_ACCEPTED],
  baggageKey: [(value) => typeof value === 'string' && isBaggageKey(value), BAGGAGE_KEY_ACCEPTED],
  rules: [(value) => typeof value === 'function' || (typeof value === 'object' && value !== null), RULES_ACCEPTED],
  trust: [isTrust, "'all', 'none', or a list of networks such as ['10.0.0.0/8']"],
  log: [isLog, 'an object with the methods error, warn, info and debug'],
};

/** Checks and compiles options. Throws {@link InvalidOptionError}. */
export function prepareOptions(options: LaneOptions): PreparedOptions {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new InvalidOptionError('options', options, "an object of options such as { service: 'orders' }", `the argument ${show(options)}`);
  for (const [name, value] of Object.entries(options)) {
    const check = (CHECKS as Readonly<Record<string, (typeof CHECKS)['tag']>>)[name];
    if (check === undefined || !Object.hasOwn(CHECKS, name)) throw new InvalidOptionError(name, value, `one of ${Object.keys(CHECKS).join(', ')}`);
    if (value !== undefined && !check[0](value)) throw new InvalidOptionError(name, value, check[1]);
  }
  const { service, tag, stamp = false, formats = ['baggage'], formatsIn = formats, baggageKey, rules, trust = 'all', log = warningLog() } = options;
  if (stamp && tag === undefined) throw new InvalidOptionError('stamp', stamp, 'false unless tag is set');
  if (rules !== undefined && service === undefined)
    throw new InvalidOptionError('service', undefined, 'the name of this service in the lane groups: it selects which of the rules apply');
  return {
    service,
    stamp: stamp ? tag : undefined,
    formats,
    formatsIn,
    baggageKey,
    hasRules: rules !== undefined,
    rules: rulesOf(rules),
    trusts: trust === 'all' ? undefined : compileTrust(trust),
    log,
  };
}

function rulesOf(rules: LaneOptions['rules']): () => LaneRules | undefined {
  if (typeof rules === 'function') return rules;
  if (rules === undefined || isCompiled(rules)) return () => rules;
  const parsed = parseLaneGroups(rules);
  if (!parsed.ok)
    throw new InvalidOptionError(
      'rules',
      undefined,
      `${RULES_ACCEPTED}. In the document, ${parsed.problems.map(({ path, message }) => `${path} ${message}`).join('; ')}`,
    );
  const compiled = compileLaneGroups(parsed.document);
  return () => compiled;
}

function isCompiled(rules: LaneRules | LaneGroupsDocument): rules is LaneRules {
  return typeof (rules as Partial<LaneRules>).entryOf === 'function' && typeof (rules as Partial<LaneRules>).isDisabledTag === 'function';
}

function isFormats(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isFormatName);
}

function isTrust(value: unknown): boolean {
  return (
    value === 'all' ||
    value === 'none' ||
    (Array.isArray(value) && value.length > 0 && value.every((network) => typeof network === 'string' && isCidr(network)))
  );
}

function isLog(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    ['error', 'warn', 'info', 'debug'].every((level) => typeof (value as Readonly<Record<string, unknown>>)[level] === 'function')
  );
}

function show(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  try {
    const text = JSON.stringify(value) ?? String(value);
    return text.length > 100 ? `${text.slice(0, 100)}…` : text;
  } catch {
    return String(value);
  }
}

/** Emits each error and warning once as a process warning; they go to stderr unless the app handles them. */
function warningLog(): Log {
  const told = new Set<string>();
  const tell = (message: string): void => {
    if (told.has(message) || told.size >= 100) return;
    told.add(message);
    process.emitWarning(message, { type: 'LaneWarning' });
  };
  return { error: tell, warn: tell, info() {}, debug() {} };
}
