/** Where things are in the graph: a band for each lane, a column for each step of the chain. */
import type { Traffic } from '../api/queries.js';

type Node = Traffic['nodes'][number];
type Edge = Traffic['edges'][number];

/** A lane's band. */
export interface Band {
  readonly tag: string | undefined;
  readonly y: number;
}

/** Instances of a service in a lane. */
export interface PlacedNode extends Node {
  readonly x: number;
  readonly y: number;
}

/** Calls between two of them, in one lane. */
export interface PlacedEdge {
  readonly key: string;
  readonly from: PlacedNode;
  readonly to: PlacedNode;
  readonly tag: string | undefined;
  readonly count: number;
  readonly errors: number;
  readonly perSecond: number | undefined;
  /** The way, as SVG writes it, and where its figures stand. */
  readonly path: string;
  readonly labelX: number;
  readonly labelY: number;
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly bands: readonly Band[];
  readonly nodes: readonly PlacedNode[];
  readonly edges: readonly PlacedEdge[];
}

export const NODE = { width: 168, height: 62 } as const;
export const BAND_HEIGHT = 128;
const LEFT = 96;
const COLUMN = 300;
const MARGIN = 16;
const PARALLEL_GAP = 30;

/** Lays out what the instances tell. The same figures always have the same places, so that nothing jumps. */
export function layOut(traffic: Pick<Traffic, 'nodes' | 'edges'>): Layout {
  const tags = [
    ...new Set([...traffic.nodes.map(({ tag }) => tag), ...traffic.edges.map(({ tag }) => tag)].filter((tag) => tag !== undefined)),
  ].sort();
  const rows: Array<string | undefined> = [...tags.filter((tag) => traffic.nodes.some((node) => node.tag === tag)), undefined];
  const columns = columnsOf(traffic);
  const seats = new Map<string, PlacedNode>();
  for (const node of traffic.nodes) {
    const column = columns.get(node.service) ?? { step: 0, place: 0, of: 1 };
    const row = rows.indexOf(node.tag);
    // Services at the same step stand one under the other.
    const shift = (column.place - (column.of - 1) / 2) * Math.min(NODE.height + 8, (BAND_HEIGHT - 10) / column.of);
    const y = row * BAND_HEIGHT + (BAND_HEIGHT - NODE.height) / 2 + shift;
    seats.set(keyOf(node), { ...node, x: LEFT + column.step * COLUMN, y });
  }
  const steps = Math.max(0, ...[...columns.values()].map(({ step }) => step));
  return {
    width: LEFT + steps * COLUMN + NODE.width + MARGIN,
    height: rows.length * BAND_HEIGHT,
    bands: rows.map((tag, i) => ({ tag, y: i * BAND_HEIGHT })),
    nodes: [...seats.values()],
    edges: placeEdges(traffic.edges, seats),
  };
}

function keyOf({ service, tag }: { readonly service: string; readonly tag?: string }): string {
  return JSON.stringify([service, tag]);
}

/** How far each service is from where traffic comes in, and its place among those as far. */
function columnsOf({ nodes, edges }: Pick<Traffic, 'nodes' | 'edges'>): Map<string, { step: number; place: number; of: number }> {
  const services = [...new Set(nodes.map(({ service }) => service))].sort();
  const step = new Map(services.map((service) => [service, 0]));
  // The longest way, found by pushing callees to the right; a ring stops after as many rounds as there are services.
  for (let round = 0; round < services.length; round++) {
    let isSettled = true;
    for (const { from, to } of edges) {
      const wanted = (step.get(from.service) ?? 0) + 1;
      if (from.service !== to.service && (step.get(to.service) ?? 0) < wanted && wanted < services.length) {
        step.set(to.service, wanted);
        isSettled = false;
      }
    }
    if (isSettled) break;
  }
  const columns = new Map<string, { step: number; place: number; of: number }>();
  for (const service of services) {
    const together = services.filter((other) => step.get(other) === step.get(service));
    columns.set(service, { step: step.get(service) ?? 0, place: together.indexOf(service), of: together.length });
  }
  return columns;
}

function placeEdges(edges: readonly Edge[], seats: ReadonlyMap<string, PlacedNode>): PlacedEdge[] {
  const merged = new Map<
    string,
    { from: PlacedNode; to: PlacedNode; tag: string | undefined; count: number; errors: number; perSecond: number | undefined }
  >();
  for (const edge of edges) {
    const from = seats.get(keyOf(edge.from));
    const to = seats.get(keyOf(edge.to));
    if (from === undefined || to === undefined) continue;
    const key = JSON.stringify([keyOf(edge.from), keyOf(edge.to), edge.tag]);
    const known = merged.get(key);
    if (known === undefined) merged.set(key, { from, to, tag: edge.tag, count: edge.count, errors: edge.errors, perSecond: edge.perSecond });
    else {
      known.count += edge.count;
      known.errors += edge.errors;
      if (edge.perSecond !== undefined) known.perSecond = (known.perSecond ?? 0) + edge.perSecond;
    }
  }
  const parallel = new Map<string, number>();
  const total = new Map<string, number>();
  const pairOf = (from: PlacedNode, to: PlacedNode): string => `${keyOf(from)} ${keyOf(to)}`;
  for (const { from, to } of merged.values()) total.set(pairOf(from, to), (total.get(pairOf(from, to)) ?? 0) + 1);
  return [...merged.entries()]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([key, { from, to, ...rest }]) => {
      const pair = pairOf(from, to);
      const nth = parallel.get(pair) ?? 0;
      parallel.set(pair, nth + 1);
      const shift = (nth - ((total.get(pair) ?? 1) - 1) / 2) * PARALLEL_GAP;
      return { key, from, to, ...rest, ...wayBetween(from, to, shift) };
    });
}

function wayBetween(from: PlacedNode, to: PlacedNode, shift: number): Pick<PlacedEdge, 'path' | 'labelX' | 'labelY'> {
  const startY = from.y + NODE.height / 2;
  const endY = to.y + NODE.height / 2;
  const goesBack = to.x <= from.x;
  const startX = from.x + NODE.width;
  const endX = goesBack ? to.x + NODE.width : to.x;
  const reach = goesBack ? 70 : (endX - startX) / 2;
  const c1 = { x: startX + reach, y: startY + shift };
  const c2 = { x: goesBack ? endX + reach : endX - reach, y: endY + shift };
  const at = (a: number, b: number, c: number, d: number): number => (a + 3 * b + 3 * c + d) / 8;
  return {
    path: `M${startX} ${startY} C${c1.x} ${c1.y} ${c2.x} ${c2.y} ${endX} ${endY}`,
    labelX: at(startX, c1.x, c2.x, endX),
    labelY: at(startY, c1.y, c2.y, endY),
  };
}
