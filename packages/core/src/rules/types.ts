import type { BaseMode, Fallback } from '../routing/lane-index.js';
import type { Tag } from '../names/tag.js';

/** The document with all lane groups; stored in Nacos config as dataId `lane-groups`, group `LANE`. */
export interface LaneGroupsDocument {
  /** Location of the JSON Schema, for editors. */
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
  /** Polaris' names for this lane, if they differ from its tag. */
  readonly polaris?: PolarisLane;
  readonly rules?: readonly EntryRule[];
}

/** A lane in a lane rule of Polaris. */
export interface PolarisLane {
  /** Key of the label of its instances (`label_key`). Default `lane`. */
  readonly key?: string;
  /** Values of the label (`default_label_value`), any of which means the lane. Default: the tag. */
  readonly values?: readonly string[];
  /** Name of the lane rule, which follows the group's in the header `service-lane`. Default: the tag. */
  readonly name?: string;
}

/** A label that means a tag. */
export interface PolarisLabel {
  readonly key: string;
  readonly values: readonly string[];
  readonly tag: Tag;
}

/** What formats write about a tag besides itself. The same object for a lane until the lane groups change. */
export interface WireLane {
  readonly group: string;
  readonly polarisRule: string;
  readonly fallback: Fallback | undefined;
}

/** What formats need from the lane groups. */
export interface WireRules {
  /**
   * Describes the lane with this tag, enabled or not, for a call from one service to another. If several groups have the tag, the first that has
   * both services (its own or entries) counts; else the first that has the called service; else the caller's; else the first of all.
   */
  wireOf(tag: Tag, from?: string, to?: string): WireLane | undefined;
  /** The tag of the lane that `group/rule`, or the value of a label, is mapped to; the groups of the reading service come first. */
  tagOfPolaris(stain: string, service?: string): Tag | undefined;
  /**
   * Labels with the tag of a service's instances, besides the forms that are always known. They are common words, such as `version`, and mean
   * only lanes of the service's own groups. The same list until the lane groups change.
   */
  polarisLabelsOf(service: string): readonly PolarisLabel[];
}

/** The match that puts a request at the entry into a lane. With `match` and `percent` both, both must hold. */
export interface EntryRule {
  readonly name: string;
  readonly match?: Matcher;
  /** 0 to 100, in steps as small as 0.01. */
  readonly percent?: number;
  /** The key that a percentage sticks to; without it, the choice is random for each request. */
  readonly by?: RequestKey;
}

/** A named value of the request. Exactly one field is set. */
export interface RequestKey {
  readonly header?: string;
  readonly cookie?: string;
  readonly query?: string;
  readonly clientIp?: true;
}

/** A string comparison. Exactly one of the operators; `not` negates it. */
export interface StringMatch {
  readonly exact?: string;
  readonly prefix?: string;
  readonly suffix?: string;
  /** RE2 syntax (linear time), found anywhere in the value unless anchored. */
  readonly regex?: string;
  readonly in?: readonly string[];
  /** true: any value is present; false: absent. */
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

/** A compiled document: requests need one look-up each. */
export interface LaneRules extends WireRules {
  readonly document: LaneGroupsDocument;
  /** All services of all groups. */
  readonly services: ReadonlySet<string>;
  /** The name of the first group with a lane of this tag, enabled or not. */
  groupOf(tag: Tag): string | undefined;
  /** Which instances of a service are base, by the first group that sets it. */
  baseModeOf(service: string): BaseMode | undefined;
  /** Whether lanes of this tag exist and none of them is enabled, in which case the tag counts as none. */
  isDisabledTag(tag: Tag): boolean;
  /** Settings for calls with this tag to this service; undefined if no group has the service with an enabled lane of this tag. */
  laneOf(service: string, tag: Tag): CompiledLane | undefined;
  /** The entry rules in force at this service, in document order; undefined if it is not an entry, or there are none. */
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
