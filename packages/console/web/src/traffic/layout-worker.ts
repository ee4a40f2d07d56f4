/**
 * Orders services in columns and rows, in a worker because dagre takes a while for hundreds of services. It gets only one caller of each service
 * (shortest-ways.ts): with all of 1,000 calls it takes more than a minute, and the graph is no clearer.
 */
import { graphlib, layout } from '@dagrejs/dagre';
import { seatsOf } from './layout.js';

/** Services, and one caller of each. */
export interface LayoutRequest {
  readonly id: number;
  readonly services: readonly string[];
  readonly calls: ReadonlyArray<readonly [from: string, to: string]>;
}
export interface LayoutAnswer {
  readonly id: number;
  readonly seats: ReadonlyArray<readonly [service: string, seat: { readonly column: number; readonly row: number }]>;
}

addEventListener('message', ({ data }: MessageEvent<LayoutRequest>) => {
  const { id, services, calls } = data;
  const graph = new graphlib.Graph();
  graph.setGraph({ rankdir: 'LR', nodesep: 10, ranksep: 50 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const service of services) graph.setNode(service, { width: 10, height: 10 });
  for (const [from, to] of calls) graph.setEdge(from, to);
  layout(graph);
  const places = services.map((service) => [service, graph.node(service) as { readonly x: number; readonly y: number }] as const);
  const answer: LayoutAnswer = { id, seats: [...seatsOf(places)] };
  postMessage(answer);
});
