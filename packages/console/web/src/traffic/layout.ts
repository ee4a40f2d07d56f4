/** Lays out the graph: a band for each lane, with services in the columns and rows that a layout library has ordered. */
import type { Traffic } from '@lane/console';

type Node = Traffic['nodes'][number];
type Edge = Traffic['edges'][number];

/** The column and row of each service; from layout-worker.ts. */
export type Seats = ReadonlyMap<string, { readonly column: number; readonly row: number }>;

/** A lane's band. */
export interface Band {
  readonly tag: string | undefined;
  readonly y: number;
  readonly height: number;
}

/** Instances of a service in a lane. */
export interface PlacedNode extends Node {
  readonly key: string;
  readonly x: number;
  readonly y: number;
}

/** Calls between two nodes, of one lane. */
export interface PlacedEdge {
  readonly key: string;
  readonly from: string;
  readonly to: string;
  readonly fromService: string;
  readonly toService: string;
  readonly tag: string | undefined;
  readonly count: number;
  readonly errors: number;
  readonly perSecond: number | undefined;
  readonly p95Ms: number | undefined;
  /** Whether one end is in another lane: the calls come from there, or fall back. */
  readonly isBetweenLanes: boolean;
  /** The line and its arrowhead as SVG paths, and the place of its figures. */
  readonly path: string;
  readonly head: string;
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
const LEFT = 96;
/** Leaves room for figures between columns; three columns fit in the view. */
const COLUMN = 364;
const ROW = 92;
const BAND_MARGIN = 33;
const MARGIN = 90;
const PARALLEL_GAP = 30;
const HEAD = 9;
const BOW = 58;

/** Rows of a column before it continues in the next one, in a small graph. */
const FEW_ROWS = 8;
/** Width by height of a graph of many services, like a screen's. */
const SHAPE = 1.6;

/** Turns positions from the layout library into columns and rows. */
export function seatsOf(places: ReadonlyArray<readonly [service: string, at: { readonly x: number; readonly y: number }]>): Seats {
  const rows = Math.max(FEW_ROWS, Math.round(Math.sqrt((places.length * COLUMN) / (ROW * SHAPE))));
  const columns = new Map<number, Array<(typeof places)[number]>>();
  for (const place of places) columns.set(place[1].x, [...(columns.get(place[1].x) ?? []), place]);
  const seats = new Map<string, { readonly column: number; readonly row: number }>();
  let column = 0;
  for (const [, inColumn] of [...columns].toSorted(([a], [b]) => a - b)) {
    const ordered = inColumn.toSorted(([one, a], [other, b]) => a.y - b.y || (one < other ? -1 : 1));
    const parts = Math.ceil(ordered.length / rows);
    // Split long columns into parts of equal height.
    for (const [i, [service, { y }]] of ordered.entries()) seats.set(service, { column: column + Math.floor((i * parts) / ordered.length), row: y });
    column += parts;
  }
  return seats;
}

/** The key of a node. */
export function nodeKey({ service, tag }: { readonly service: string; readonly tag?: string | undefined }): string {
  return JSON.stringify([service, tag ?? '']);
}

/** Lays out traffic on seats. The same services always get the same places, so that nothing jumps. */
export function layOut(traffic: Pick<Traffic, 'nodes' | 'edges'>, seats: Seats): Layout {
  const tags = [...new Set(traffic.nodes.map(({ tag }) => tag))].filter((tag) => tag !== undefined).toSorted();
  const placed = new Map<string, PlacedNode>();
  const bands: Band[] = [];
  let y = 0;
  let columns = 0;
  for (const tag of [...tags, undefined]) {
    const own = traffic.nodes
      .filter((node) => node.tag === tag)
      .toSorted((a, b) => rowOf(seats, a) - rowOf(seats, b) || (a.service < b.service ? -1 : 1));
    const filled = new Map<number, number>();
    for (const node of own) {
      const column = seats.get(node.service)?.column ?? 0;
      const row = filled.get(column) ?? 0;
      filled.set(column, row + 1);
      columns = Math.max(columns, column);
      const key = nodeKey(node);
      placed.set(key, { ...node, key, x: LEFT + column * COLUMN, y: y + BAND_MARGIN + row * ROW });
    }
    const height = 2 * BAND_MARGIN + NODE.height + (Math.max(1, ...filled.values()) - 1) * ROW;
    bands.push({ tag, y, height });
    y += height;
  }
  return {
    width: LEFT + columns * COLUMN + NODE.width + MARGIN,
    height: y,
    bands,
    nodes: [...placed.values()],
    edges: placeEdges(traffic.edges, placed),
  };
}

function rowOf(seats: Seats, { service }: Node): number {
  return seats.get(service)?.row ?? Number.MAX_SAFE_INTEGER;
}

type Merged = Omit<PlacedEdge, 'path' | 'head' | 'labelX' | 'labelY'>;

function placeEdges(edges: readonly Edge[], placed: ReadonlyMap<string, PlacedNode>): PlacedEdge[] {
  const merged = new Map<string, Merged>();
  for (const edge of edges) {
    const [from, to] = [nodeKey(edge.from), nodeKey(edge.to)];
    if (!placed.has(from) || !placed.has(to)) continue;
    const key = `${from} ${to} ${edge.tag ?? ''}`;
    const known = merged.get(key);
    merged.set(key, {
      key,
      from,
      to,
      fromService: edge.from.service,
      toService: edge.to.service,
      tag: edge.tag,
      count: (known?.count ?? 0) + edge.count,
      errors: (known?.errors ?? 0) + edge.errors,
      perSecond: edge.perSecond === undefined ? known?.perSecond : (known?.perSecond ?? 0) + edge.perSecond,
      p95Ms: edge.p95Ms ?? known?.p95Ms,
      isBetweenLanes: edge.from.tag !== edge.tag || edge.to.tag !== edge.tag,
    });
  }
  const total = new Map<string, number>();
  const pairOf = ({ from, to }: Merged): string => `${from} ${to}`;
  for (const edge of merged.values()) total.set(pairOf(edge), (total.get(pairOf(edge)) ?? 0) + 1);
  const nth = new Map<string, number>();
  return [...merged.values()]
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    .map((edge) => {
      const pair = pairOf(edge);
      const n = nth.get(pair) ?? 0;
      nth.set(pair, n + 1);
      const shift = (n - ((total.get(pair) ?? 1) - 1) / 2) * PARALLEL_GAP;
      return { ...edge, ...wayBetween(placed.get(edge.from) as PlacedNode, placed.get(edge.to) as PlacedNode, shift, n) };
    });
}

/** Goes right if the callee is further right, else around the right side; a service that calls itself gets a loop above it. */
function wayBetween(from: PlacedNode, to: PlacedNode, shift: number, n: number): Pick<PlacedEdge, 'path' | 'head' | 'labelX' | 'labelY'> {
  if (from.key === to.key) {
    const [left, right] = [from.x + NODE.width * 0.62, from.x + NODE.width * 0.86];
    const top = from.y - 26 - n * 14;
    return {
      path: `M${left} ${from.y} C${left - 14} ${top} ${right + 14} ${top} ${right} ${from.y - HEAD}`,
      head: `M${right} ${from.y} l${-HEAD / 2} ${-HEAD} h${HEAD} Z`,
      labelX: (left + right) / 2,
      labelY: top + 8,
    };
  }
  const goesBack = to.x <= from.x;
  const startX = from.x + NODE.width;
  const startY = from.y + NODE.height / 2;
  const tipX = goesBack ? to.x + NODE.width : to.x;
  const tipY = to.y + NODE.height / 2 + (goesBack ? 12 : 0);
  const side = goesBack ? 1 : -1;
  const endX = tipX + side * HEAD;
  const reach = goesBack ? 70 + Math.abs(shift) : (endX - startX) / 2;
  // Bow around nodes between the two.
  const bow = Math.abs(endX - startX) > COLUMN && Math.abs(tipY - startY) < NODE.height / 2 ? BOW : 0;
  const [c1x, c1y, c2x, c2y] = [startX + reach, startY + shift + bow, endX + side * reach, tipY + shift + bow];
  const middle = (a: number, b: number, c: number, d: number): number => (a + 3 * b + 3 * c + d) / 8;
  return {
    path: `M${startX} ${startY} C${c1x} ${c1y} ${c2x} ${c2y} ${endX} ${tipY}`,
    head: `M${tipX} ${tipY} l${side * HEAD} ${-HEAD / 2} v${HEAD} Z`,
    labelX: middle(startX, c1x, c2x, endX),
    labelY: middle(startY, c1y, c2y, tipY),
  };
}
