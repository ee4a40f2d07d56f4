/** Changes to lane-group documents: a document in, another one out. Everything that a change does not name keeps its value and place. */
import { nearest } from '../names/nearest.js';
import type { Lane, LaneGroup, LaneGroupsDocument } from './types.js';

/** The document if none has been published. */
export const NO_LANE_GROUPS: LaneGroupsDocument = Object.freeze({ version: 1, groups: Object.freeze([]) });

/** The code of the error for a group or lane that a document does not have. */
export const LANE_NOT_FOUND = 'ELANE_NOT_FOUND';

/** The error for a group or lane that a document does not have; its message lists the existing ones. */
export class LaneNotFoundError extends Error {
  readonly code = LANE_NOT_FOUND;
  /** The requested `group` or `group/lane`. */
  readonly wanted: string;
  /** The existing names. */
  readonly known: readonly string[];

  constructor(what: string, wanted: string, name: string, known: readonly string[]) {
    const meant = nearest(name, known);
    const remedy = meant !== undefined ? `did you mean ${meant}?` : known.length === 0 ? 'there are none yet' : `there are ${known.join(', ')}`;
    super(`there is no ${what} ${wanted}: ${remedy}`);
    this.name = 'LaneNotFoundError';
    this.wanted = wanted;
    this.known = known;
  }
}

/** The group of this name. Throws a LaneNotFoundError if there is none. */
export function groupNamed(document: LaneGroupsDocument, name: string): LaneGroup {
  const found = document.groups.find((group) => group.name === name);
  if (found === undefined) {
    throw new LaneNotFoundError(
      'lane group',
      name,
      name,
      document.groups.map((group) => group.name),
    );
  }
  return found;
}

/** The lane of this name in a group. Throws a LaneNotFoundError where there is none. */
export function laneNamed(document: LaneGroupsDocument, groupName: string, name: string): Lane {
  const group = groupNamed(document, groupName);
  const found = group.lanes.find((lane) => lane.name === name);
  if (found === undefined) {
    throw new LaneNotFoundError(
      'lane',
      `${groupName}/${name}`,
      name,
      group.lanes.map((lane) => lane.name),
    );
  }
  return found;
}

/** With this group: replaces the one of its name, or goes after the others. */
export function withGroup(document: LaneGroupsDocument, group: LaneGroup): LaneGroupsDocument {
  return { ...document, groups: withNamed(document.groups, group) };
}

/** Without a group. Throws a LaneNotFoundError where there is none of this name. */
export function withoutGroup(document: LaneGroupsDocument, name: string): LaneGroupsDocument {
  const gone = groupNamed(document, name);
  return { ...document, groups: document.groups.filter((group) => group !== gone) };
}

/** With this lane in a group: replaces the one of its name, or goes after the others. Throws a LaneNotFoundError if there is no such group. */
export function withLane(document: LaneGroupsDocument, groupName: string, lane: Lane): LaneGroupsDocument {
  const group = groupNamed(document, groupName);
  return withGroup(document, { ...group, lanes: withNamed(group.lanes, lane) });
}

/** Without a lane of a group. Throws a LaneNotFoundError where there is none of this name. */
export function withoutLane(document: LaneGroupsDocument, groupName: string, name: string): LaneGroupsDocument {
  const gone = laneNamed(document, groupName, name);
  const group = groupNamed(document, groupName);
  return withGroup(document, { ...group, lanes: group.lanes.filter((lane) => lane !== gone) });
}

/** With a lane switched on or off. Throws a LaneNotFoundError where there is none of this name. */
export function withLaneEnabled(document: LaneGroupsDocument, groupName: string, name: string, enabled: boolean): LaneGroupsDocument {
  return withLane(document, groupName, { ...laneNamed(document, groupName, name), enabled });
}

function withNamed<T extends { readonly name: string }>(items: readonly T[], item: T): T[] {
  const isThere = items.some(({ name }) => name === item.name);
  return isThere ? items.map((other) => (other.name === item.name ? item : other)) : [...items, item];
}
