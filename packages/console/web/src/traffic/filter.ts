import type { Traffic } from '../api/queries.js';

/** Which traffic to show. */
export interface TrafficFilter {
  /** Requests of this tag; empty: base; undefined: all. */
  readonly lane: string | undefined;
  /** A part of a service's name: shows calls from and to it. Empty: all. */
  readonly service: string;
  readonly onlyErrors: boolean;
}

/** The matching calls with their ends, and matching nodes without calls. */
export function filterTraffic(traffic: Traffic, { lane, service, onlyErrors }: TrafficFilter): Pick<Traffic, 'nodes' | 'edges' | 'decisions'> {
  const wanted = service.trim().toLowerCase();
  const isWanted = (name: string): boolean => name.toLowerCase().includes(wanted);
  const isInLane = (tag: string | undefined): boolean => lane === undefined || (tag ?? '') === lane;
  const edges = traffic.edges.filter(
    ({ from, to, tag, errors }) => isInLane(tag) && (!onlyErrors || errors > 0) && (isWanted(from.service) || isWanted(to.service)),
  );
  const ends = new Set(edges.flatMap(({ from, to }) => [keyOf(from), keyOf(to)]));
  const nodes = traffic.nodes.filter(
    (node) => ends.has(keyOf(node)) || (isInLane(node.tag) && isWanted(node.service) && (!onlyErrors || node.errors > 0)),
  );
  const decisions = traffic.decisions.filter((one) => isInLane(one.tag) && (isWanted(one.service) || isWanted(one.peer)));
  return { nodes, edges, decisions };
}

/** All tags of requests and instances. */
export function tagsOf({ nodes, edges }: Traffic): readonly string[] {
  return [...new Set([...nodes, ...edges].map(({ tag }) => tag))].filter((tag) => tag !== undefined).toSorted();
}

function keyOf({ service, tag }: { readonly service: string; readonly tag?: string | undefined }): string {
  return JSON.stringify([service, tag ?? '']);
}
