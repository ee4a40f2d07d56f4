/** Finds what needs attention in a group. */
import type { GroupStatus, ServiceStatus } from '@lane/core/model';

/** Whether any lane has instances of a service. */
export function hasInstancesInLanes({ lanes }: ServiceStatus): boolean {
  return lanes.some(({ total }) => total > 0);
}

/** Whether instances can't serve, or nothing serves. Falling back to base is no trouble: a lane need not have every service. */
export function hasTrouble({ base, lanes }: ServiceStatus, offLanes: ReadonlySet<string>): boolean {
  return (
    base.usable < base.total ||
    (base.total === 0 && lanes.every(({ total }) => total === 0)) ||
    lanes.some(({ lane, usable, total, servedBy }) => !offLanes.has(lane) && (usable < total || servedBy === 'nothing'))
  );
}

/** How many services of a group are in trouble. */
export function troubleIn({ lanes, services }: GroupStatus): number {
  const offLanes = new Set(lanes.filter(({ enabled }) => !enabled).map(({ lane }) => lane));
  return services.filter((service) => hasTrouble(service, offLanes)).length;
}

/** What a lane serves now: services that have instances of it, and those instances. */
export function reachOf({ services }: GroupStatus, lane: string): { readonly services: number; readonly instances: number } {
  const cells = services.flatMap(({ lanes }) => lanes.filter((cell) => cell.lane === lane && cell.total > 0));
  return { services: cells.length, instances: cells.reduce((sum, { total }) => sum + total, 0) };
}
