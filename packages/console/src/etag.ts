import { createHash } from 'node:crypto';
import type { Lane, LaneGroup } from '@lane/core/rules';

/** The ETag of a group without its lanes, which are separate resources. */
export function etagOfGroup({ services, entry }: Pick<LaneGroup, 'services' | 'entry'>): string {
  return etagOf({ services, entry });
}

/** The ETag of a lane. */
export function etagOfLane(lane: Lane): string {
  return etagOf(lane);
}

function etagOf(value: object): string {
  return `"${createHash('sha256').update(canonical(value)).digest('base64url').slice(0, 22)}"`;
}

/** The same text for equal values, whatever the order of fields. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, field: unknown) =>
    typeof field === 'object' && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)))
      : field,
  );
}
