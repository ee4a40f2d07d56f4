import type { BaseMode, Fallback } from '../routing/lane-index.js';
import type { Tag } from '../names/tag.js';

/** The document that says which lane groups there are; kept in Nacos config as dataId `lane-groups`, group `LANE`. */
export interface LaneGroupsDocument {
  /** Where the JSON Schema is; for editors. */
  readonly $schema?: string;
  readonly version: 1;
  readonly groups: readonly LaneGroup[];
}

/** The services that take part in one call chain, and where traffic enters it. */
export interface LaneGroup {
  readonly name: string;
  readonly services: readonly string[];
  readonly entry?: { readonly services: readonly string[] };
  /** Which instances of its services are base. Default: the agent's LANE_BASE_MODE. */
  readonly baseMode?: BaseMode;
  readonly lanes: readonly Lane[];
}

/** An isolated environment within a lane group, identified by its tag. */
export interface Lane {
  readonly name: string;
  readonly tag: Tag;
  /** Default true. */
  readonly enabled?: boolean;
  /** Default: the agent's LANE_FALLBACK. */
  readonly fallback?: Fallback;
  /** What Polaris calls this lane, where that is not its tag. */
  readonly polaris?: PolarisLane;
  readonly rules?: readonly EntryRule[];
}

/** A lane as a lane rule of Polaris has it. */
export interface PolarisLane {
  /** Key of the label of its instances (`label_key`). Default `lane`. */
  readonly key?: string;
  /** Values of the label (`default_label_value`), any of which means the lane. Default: the tag. */
  readonly values?: readonly string[];
  /** Name of the lane rule, which the header `service-lane` has after the group's. Default: the tag. */
  readonly name?: string;
}

/** A label that means a tag. */
export interface PolarisLabel {
  readonly key: string;
  readonly values: readonly string[];
  readonly tag: Tag;
}

/** What formats write of a tag besides itself. One object as long as the lane groups are the same. */
export interface WireLane {
  readonly group: string;
  readonly polarisRule: string;
  readonly polarisLabel: PolarisLabel | undefined;
  readonly fallback: Fallback | undefined;
}

/** What formats ask of the lane groups. */
export interface WireRules {
  /** Of the first lane with this tag, enabled or not. */
  wireOf(tag: Tag): WireLane | undefined;
  /** The tag of the lane to which `group/rule`, or the value of a label, is mapped. */
  tagOfPolaris(stain: string): Tag | undefined;
}

/** The match that puts a request at the entry into a lane. With `match` and `percent` both, both must hold. */
export interface EntryRule {
  readonly name: string;
  readonly match?: Matcher;
  /** 0 to 100, in steps as small as 0.01. */
  readonly percent?: number;
  /** What a percentage sticks to; without it the choice is random for each request. */
  readonly by?: RequestKey;
}

/** A value of the request, named. Exactly one of the fields is there. */
export interface RequestKey {
  readonly header?: string;
  readonly cookie?: string;
  readonly query?: string;
  readonly clientIp?: true;
}

/** How a string is compared. Exactly one of the operators; `not` turns it round. */
export interface StringMatch {
  readonly exact?: string;
  readonly prefix?: string;
  readonly suffix?: string;
  /** RE2 syntax (linear time), found anywhere in the value unless anchored. */
  readonly regex?: string;
  readonly in?: readonly string[];
  /** true: the value is there, whatever it is; false: it is not. */
  readonly present?: boolean;
  readonly not?: StringMatch;
}

/** A condition on a request. */
export type Matcher =
  | { readonly all: readonly Matcher[] }
  | { readonly any: readonly Matcher[] }
  | { readonly not: Matcher }
  | { readonly host: StringMatch }
  | { readonly path: StringMatch }
  | { readonly method: StringMatch }
  | ({ readonly header: string } & StringMatch)
  | ({ readonly cookie: string } & StringMatch)
  | ({ readonly query: string } & StringMatch)
  | { readonly clientIp: { readonly in: readonly string[] } };

/** A request as entry rules see it. Values are read when a rule asks for them, so an unused one costs nothing. */
export interface RequestView {
  /** Lower case, without port; empty if unknown. */
  readonly host: string;
  /** Without query string. */
  readonly path: string;
  readonly method: string;
  /** Name in lower case; several lines joined by `, `. */
  header(name: string): string | undefined;
  cookie(name: string): string | undefined;
  query(name: string): string | undefined;
  /** The peer's address, or undefined if unknown. */
  readonly clientIp: string | undefined;
}

/** What is wrong in a document: where (a JSON pointer) and what, with the remedy. */
export interface Problem {
  readonly path: string;
  readonly message: string;
}

/** A document made ready for use: every question a request asks is one look-up. */
export interface LaneRules extends WireRules {
  readonly document: LaneGroupsDocument;
  /** All services of all groups. */
  readonly services: ReadonlySet<string>;
  /** The name of the first group with a lane of this tag, enabled or not. */
  groupOf(tag: Tag): string | undefined;
  /** Labels by which instances tell their tag, besides the forms that are always known. */
  readonly polarisLabels: readonly PolarisLabel[];
  /** Which instances of a service are base, by the first group that says so. */
  baseModeOf(service: string): BaseMode | undefined;
  /** Whether lanes of this tag exist and none of them is enabled, in which case the tag counts as none. */
  isDisabledTag(tag: Tag): boolean;
  /** What holds for calls of this tag to this service; undefined where no group has the service with an enabled lane of this tag. */
  laneOf(service: string, tag: Tag): CompiledLane | undefined;
  /** The entry rules in force at this service, in document order; undefined where it is no entry, or there are none. */
  entryOf(service: string): EntryRules | undefined;
}

/** One enabled lane of a group. */
export interface CompiledLane {
  readonly group: string;
  readonly lane: string;
  readonly tag: Tag;
  readonly fallback: Fallback | undefined;
}

/** The entry rules of a service. */
export interface EntryRules {
  /** The first rule that matches, or undefined. `random` gives a number in [0, 1). */
  match(request: RequestView, random: () => number): EntryMatch | undefined;
}

/** Which rule put a request into which lane. */
export interface EntryMatch extends CompiledLane {
  readonly rule: string;
}
