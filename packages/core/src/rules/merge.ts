/** Merges two people's changes to one document: by groups, by lanes, then by fields. */
import type { Lane, LaneGroup, LaneGroupsDocument } from './types.js';

/** Both changes in one document, and the conflicts, where `ours` stays. */
export interface MergedLaneGroups {
  readonly document: LaneGroupsDocument;
  /** JSON pointers by names, such as `shop/gray/rules`. Empty: nothing of either change is lost. */
  readonly conflicts: readonly string[];
}

/** Merges into `ours` what `theirs` has changed since `base`. */
export function mergeLaneGroups(base: LaneGroupsDocument, ours: LaneGroupsDocument, theirs: LaneGroupsDocument): MergedLaneGroups {
  const conflicts: string[] = [];
  const groups = mergeNamed(base.groups, ours.groups, theirs.groups, '', conflicts, (b, o, t, path) => {
    const fields = mergeFields<LaneGroup>(b, o, t, ['services', 'entry', 'baseMode'], path, conflicts);
    return { ...fields, lanes: mergeNamed<Lane>(b.lanes, o.lanes, t.lanes, `${path}/`, conflicts, mergeLane) };
  });
  function mergeLane(b: Lane, o: Lane, t: Lane, path: string): Lane {
    return mergeFields(b, o, t, ['tag', 'enabled', 'fallback', 'polaris', 'rules'], path, conflicts);
  }
  return { document: { ...ours, groups }, conflicts };
}

function mergeNamed<T extends { readonly name: string }>(
  base: readonly T[],
  ours: readonly T[],
  theirs: readonly T[],
  prefix: string,
  conflicts: string[],
  merge: (base: T, ours: T, theirs: T, path: string) => T,
): T[] {
  const inBase = byName(base);
  const inOurs = byName(ours);
  const inTheirs = byName(theirs);
  const merged: T[] = [];
  for (const our of ours) {
    const before = inBase.get(our.name);
    const their = inTheirs.get(our.name);
    const path = `${prefix}${our.name}`;
    if (their === undefined) {
      // They have removed it, if it existed; if we have changed it since, it stays.
      if (before === undefined) merged.push(our);
      else if (!isSame(before, our)) {
        conflicts.push(path);
        merged.push(our);
      }
    } else if (before !== undefined) merged.push(merge(before, our, their, path));
    else {
      if (!isSame(our, their)) conflicts.push(path);
      merged.push(our);
    }
  }
  for (const their of theirs) {
    if (inOurs.has(their.name)) continue;
    const before = inBase.get(their.name);
    if (before === undefined) merged.push(their);
    else if (!isSame(before, their)) conflicts.push(`${prefix}${their.name}`);
  }
  return merged;
}

function mergeFields<T extends object>(base: T, ours: T, theirs: T, fields: ReadonlyArray<keyof T & string>, path: string, conflicts: string[]): T {
  const merged = { ...ours };
  for (const field of fields) {
    if (isSame(base[field], theirs[field]) || isSame(ours[field], theirs[field])) continue;
    if (!isSame(base[field], ours[field])) conflicts.push(`${path}/${field}`);
    else if (theirs[field] === undefined) delete merged[field];
    else merged[field] = theirs[field];
  }
  return merged;
}

function byName<T extends { readonly name: string }>(items: readonly T[]): Map<string, T> {
  return new Map(items.map((item) => [item.name, item]));
}

/** By value, with fields in any order. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false;
  const fields = Object.keys(a);
  if (fields.length !== Object.keys(b).length) return false;
  return fields.every((field) => Object.hasOwn(b, field) && isSame((a as Record<string, unknown>)[field], (b as Record<string, unknown>)[field]));
}
