import { ActionIcon, Group } from '@mantine/core';
import { IconZoomIn, IconZoomOut, IconZoomReset } from '@tabler/icons-react';
import { memo, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type PointerEvent, type RefObject } from 'react';
import type { Traffic } from '../api/queries.js';
import { useText } from '../language/index.js';
import { useLaneClass } from '../parts/lane-badge.js';
import { layOut, NODE, type Band, type PlacedEdge, type PlacedNode } from './layout.js';
import { useSeats } from './use-seats.js';

const PLATE = { height: 22, character: 6.9 } as const;
/** With more calls than this, only failing and focused ones show figures. */
const MAX_PLATES = 60;
/** With more calls than this, none are animated: the browser would redraw all of them 60 times a second. */
const MAX_MOVING = 60;
const ZOOM = { least: 0.05, most: 2, step: 1.4 } as const;
/** A mouse that moves further than this with its button down drags. */
const DRAG_PX = 4;
/** The space of a graph. If fitting it in would make it unreadable, it opens at {@link READABLE} and scrolls. */
const ROOM = { width: 760, height: 620 } as const;
const READABLE = 0.7;
/** At a smaller zoom, only names are shown, enlarged. */
const LEGIBLE = 0.45;

/** The selected node or call, by its key. */
export interface Chosen {
  readonly kind: 'node' | 'edge';
  readonly key: string;
}

/** Live traffic as a graph. The table beside it has the same figures for those who can't see it. */
export function TrafficGraph({
  traffic,
  chosen,
  onChoose,
}: {
  readonly traffic: Pick<Traffic, 'nodes' | 'edges'>;
  readonly chosen: Chosen | undefined;
  onChoose(chosen: Chosen): void;
}) {
  const t = useText();
  const seats = useSeats(traffic);
  const layout = useMemo(() => (seats === undefined ? undefined : layOut(traffic, seats)), [traffic, seats]);
  const [hovered, setHovered] = useState<string>();
  const [zoom, setZoom] = useState<number>();
  const chooseNode = useCallback((key: string) => onChoose({ kind: 'node', key }), [onChoose]);
  const chooseEdge = useCallback((key: string) => onChoose({ kind: 'edge', key }), [onChoose]);
  const region = useRef<HTMLDivElement>(null);
  const svg = useRef<SVGSVGElement>(null);
  const fits = layout !== undefined && layout.width * READABLE <= ROOM.width && layout.height * READABLE <= ROOM.height;
  const shownAt = zoom ?? (fits ? undefined : READABLE);
  const scaleAround = useScale(region, svg, shownAt, setZoom);
  const drag = useDrag(region);
  if (layout === undefined) return <p role="status">{t.traffic.arranging}</p>;
  const services = new Set(layout.nodes.map(({ service }) => service)).size;
  const focus = hovered ?? chosen?.key;
  const touches = (edge: PlacedEdge): boolean => focus === edge.key || focus === edge.from || focus === edge.to;
  const isFocused = focus !== undefined && (layout.nodes.some(({ key }) => key === focus) || layout.edges.some(({ key }) => key === focus));
  const near = new Set(isFocused ? [focus, ...layout.edges.filter(touches).flatMap(({ from, to }) => [from, to])] : []);
  const plates = layout.edges.filter((edge) => (isFocused ? touches(edge) : layout.edges.length <= MAX_PLATES || edge.errors > 0));
  const fit = (): void => {
    const room = region.current;
    setZoom(
      fits || room === null ? undefined : Math.max(ZOOM.least, Math.min(room.clientWidth / layout.width, ROOM.height / layout.height, READABLE)),
    );
  };
  return (
    <>
      <Group gap={4} mb="xs" justify="flex-end">
        <ActionIcon variant="default" aria-label={t.traffic.zoomOut} onClick={() => scaleAround(1 / ZOOM.step)}>
          <IconZoomOut size={17} aria-hidden />
        </ActionIcon>
        <ActionIcon variant="default" aria-label={t.traffic.zoomFit} onClick={fit}>
          <IconZoomReset size={17} aria-hidden />
        </ActionIcon>
        <ActionIcon variant="default" aria-label={t.traffic.zoomIn} onClick={() => scaleAround(ZOOM.step)}>
          <IconZoomIn size={17} aria-hidden />
        </ActionIcon>
      </Group>
      <div className="scroll graph-scroll" tabIndex={0} role="region" aria-label={t.traffic.graph} ref={region} {...drag}>
        <svg
          ref={svg}
          className="graph"
          role="group"
          aria-label={t.traffic.graphLabel(services, layout.edges.length)}
          data-focused={isFocused || undefined}
          data-far={(shownAt ?? 1) < LEGIBLE || undefined}
          data-calm={layout.edges.length > MAX_MOVING || undefined}
          viewBox={`0 0 ${layout.width} ${layout.height}`}
          style={
            shownAt === undefined
              ? { display: 'block', width: '100%', minWidth: Math.min(layout.width, ROOM.width), maxHeight: ROOM.height }
              : { display: 'block', width: layout.width * shownAt, height: layout.height * shownAt }
          }
          onPointerLeave={() => setHovered(undefined)}
        >
          {layout.bands.map((band) => (
            <LaneBand key={band.tag ?? ''} {...band} width={layout.width} />
          ))}
          {layout.edges.map((edge) => (
            <EdgeLine
              key={edge.key}
              {...lineOf(edge)}
              isNear={isFocused && touches(edge)}
              isChosen={chosen?.key === edge.key}
              onHover={setHovered}
              onChoose={chooseEdge}
            />
          ))}
          {layout.nodes.map((node) => (
            <NodeBox
              key={node.key}
              {...boxOf(node)}
              isNear={near.has(node.key)}
              isChosen={chosen?.key === node.key}
              onHover={setHovered}
              onChoose={chooseNode}
            />
          ))}
          {plates.map((edge) => (
            <EdgePlate key={edge.key} {...plateOf(edge)} />
          ))}
        </svg>
      </div>
    </>
  );
}

/** Zooms, and keeps in place what is in the middle of the view or under the pointer. */
function useScale(
  region: RefObject<HTMLDivElement | null>,
  svg: RefObject<SVGSVGElement | null>,
  shownAt: number | undefined,
  setZoom: (zoom: number) => void,
): (by: number) => void {
  /** A point of the graph, as a share of its size, and its fixed place in the region. */
  const kept = useRef<{ readonly x: number; readonly y: number; readonly left: number; readonly top: number }>(undefined);
  const scaleAround = (by: number, point?: { readonly left: number; readonly top: number }): void => {
    const [room, picture] = [region.current, svg.current];
    if (room === null || picture === null) return;
    const { left, top } = point ?? { left: room.clientWidth / 2, top: room.clientHeight / 2 };
    const { width, height } = picture.getBoundingClientRect();
    kept.current = { x: (room.scrollLeft + left) / width, y: (room.scrollTop + top) / height, left, top };
    const now = shownAt ?? width / picture.viewBox.baseVal.width;
    setZoom(Math.min(ZOOM.most, Math.max(ZOOM.least, now * by)));
  };
  useLayoutEffect(() => {
    const [room, picture, point] = [region.current, svg.current, kept.current];
    if (room === null || picture === null || point === undefined) return;
    kept.current = undefined;
    const { width, height } = picture.getBoundingClientRect();
    room.scrollTo({ left: point.x * width - point.left, top: point.y * height - point.top, behavior: 'instant' });
  }, [region, svg, shownAt]);
  const latest = useRef(scaleAround);
  latest.current = scaleAround;
  useEffect(() => {
    const room = region.current;
    // Ctrl and wheel, which browsers also report for pinching on a touchpad. React's own listeners can't prevent the page from zooming.
    const zoom = (event: WheelEvent): void => {
      if (room === null || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      const { left, top } = room.getBoundingClientRect();
      latest.current(Math.exp(-event.deltaY / 300), { left: event.clientX - left, top: event.clientY - top });
    };
    room?.addEventListener('wheel', zoom, { passive: false });
    return () => room?.removeEventListener('wheel', zoom);
  });
  return scaleAround;
}

/** Scrolls the view by dragging with a mouse; touch does that by itself. */
function useDrag(region: RefObject<HTMLDivElement | null>) {
  const start = useRef<{ readonly x: number; readonly y: number; readonly left: number; readonly top: number }>(undefined);
  const end = ({ currentTarget }: PointerEvent<HTMLDivElement>): void => {
    start.current = undefined;
    delete currentTarget.dataset['dragging'];
  };
  return {
    onPointerDown({ button, pointerType, clientX: x, clientY: y }: PointerEvent<HTMLDivElement>): void {
      const room = region.current;
      if (room !== null && button === 0 && pointerType === 'mouse') start.current = { x, y, left: room.scrollLeft, top: room.scrollTop };
    },
    onPointerMove({ currentTarget: room, pointerId, clientX, clientY }: PointerEvent<HTMLDivElement>): void {
      const from = start.current;
      if (from === undefined) return;
      const [x, y] = [clientX - from.x, clientY - from.y];
      if (room.dataset['dragging'] === undefined) {
        if (Math.hypot(x, y) < DRAG_PX) return;
        room.dataset['dragging'] = '';
        // While dragging, nothing beneath gets pointer events, nor a click at the end.
        room.setPointerCapture(pointerId);
      }
      room.scrollTo({ left: from.left - x, top: from.top - y, behavior: 'instant' });
    },
    onPointerUp: end,
    onPointerCancel: end,
  };
}

const LaneBand = memo(function LaneBand({ tag, y, height, width }: Band & { readonly width: number }) {
  const t = useText();
  return (
    <g className={useLaneClass(tag)}>
      <rect className="band" x={0} y={y + 3} width={width} height={height - 6} rx={14} />
      <text x={16} y={y + height / 2 + 5} fontSize={14} fontWeight={650} style={{ fill: 'var(--lane-text)' }}>
        <title>{tag ?? t.base}</title>
        {short(tag ?? t.base, 10)}
      </text>
    </g>
  );
});

interface Interactive {
  /** Whether it is focused, or connected to what is. */
  readonly isNear: boolean;
  readonly isChosen: boolean;
  onHover(key: string | undefined): void;
  onChoose(key: string): void;
}

// The props of each contain only what it shows, so that memo skips what has not changed.
type Line = Pick<PlacedEdge, 'path' | 'head' | 'tag' | 'fromService' | 'toService'> & {
  readonly id: string;
  readonly width: number;
  readonly isLive: boolean;
  readonly fails: boolean;
};
const lineOf = ({ key, path, head, tag, fromService, toService, count, perSecond, errors }: PlacedEdge): Line => ({
  id: key,
  path,
  head,
  tag,
  fromService,
  toService,
  // In steps, or each call would redraw it.
  width: 1.5 + Math.round(Math.min(4, Math.log10(count + 1)) * 2) / 2,
  isLive: (perSecond ?? 0) > 0,
  fails: errors > 0,
});

const EdgeLine = memo(function EdgeLine({
  id,
  path,
  head,
  tag,
  fromService,
  toService,
  width,
  isLive,
  fails,
  isNear,
  isChosen,
  onHover,
  onChoose,
}: Line & Interactive) {
  const t = useText();
  return (
    <g
      className={`edge ${useLaneClass(tag)}`}
      data-live={isLive || undefined}
      data-fails={fails || undefined}
      data-near={isNear || undefined}
      data-chosen={isChosen || undefined}
      onPointerEnter={() => onHover(id)}
      onPointerLeave={() => onHover(undefined)}
      onClick={() => onChoose(id)}
    >
      {/* A name, because colour alone must not tell whose requests these are. */}
      <title>{`${fromService} → ${toService}, ${tag ?? t.base}`}</title>
      <path className="reach" d={path} />
      <path d={path} strokeWidth={width} opacity={0.55} />
      <path className="flow" d={path} strokeWidth={width + 1} />
      <path className="head" d={head} />
    </g>
  );
});

type Box = Pick<PlacedNode, 'service' | 'tag' | 'x' | 'y' | 'instances' | 'count' | 'errors'> & { readonly id: string };
const boxOf = ({ key, service, tag, x, y, instances, count, errors }: PlacedNode): Box => ({
  id: key,
  service,
  tag: tag ?? '',
  x,
  y,
  instances,
  count,
  errors,
});

const NodeBox = memo(function NodeBox({
  id,
  service,
  tag: tagOrNone,
  x,
  y,
  instances,
  count,
  errors,
  isNear,
  isChosen,
  onHover,
  onChoose,
}: Box & Interactive) {
  const t = useText();
  const tag = tagOrNone === '' ? undefined : tagOrNone;
  return (
    <g
      className={`node ${useLaneClass(tag)}`}
      transform={`translate(${x} ${y})`}
      data-near={isNear || undefined}
      data-chosen={isChosen || undefined}
      onPointerEnter={() => onHover(id)}
      onPointerLeave={() => onHover(undefined)}
      onClick={() => onChoose(id)}
    >
      <title>{`${service}, ${tag ?? t.base}`}</title>
      {/* The label has no figures, so that screen readers do not repeat the focused node at each update. */}
      <rect
        width={NODE.width}
        height={NODE.height}
        rx={12}
        role="button"
        tabIndex={0}
        aria-label={`${service}, ${tag ?? t.base}`}
        aria-pressed={isChosen}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' && event.key !== ' ') return;
          event.preventDefault();
          onChoose(id);
        }}
      />
      <text className="name" x={NODE.width / 2} y={26} textAnchor="middle" fontSize={14} fontWeight={650}>
        {short(service, 20)}
      </text>
      <text x={NODE.width / 2} y={46} textAnchor="middle" fontSize={12.5} style={{ fill: errors > 0 ? 'var(--bad)' : 'var(--mantine-color-dimmed)' }}>
        {count.toLocaleString(t.locale)}
        {errors > 0 ? ` · ${t.traffic.errors} ${errors}` : ''} · {t.group.healthy(instances, instances)}
      </text>
    </g>
  );
});

type Plate = Pick<PlacedEdge, 'labelX' | 'labelY' | 'tag' | 'count' | 'errors' | 'perSecond' | 'p95Ms' | 'isBetweenLanes'>;
const plateOf = ({ labelX, labelY, tag, count, errors, perSecond, p95Ms, isBetweenLanes }: PlacedEdge): Plate => ({
  labelX,
  labelY,
  tag,
  count,
  errors,
  perSecond,
  p95Ms,
  isBetweenLanes,
});

const EdgePlate = memo(function EdgePlate({ labelX, labelY, tag, count, errors: failed, perSecond, p95Ms, isBetweenLanes }: Plate) {
  const t = useText();
  // Within a band, its name at the left already tells the lane.
  const parts = [...(isBetweenLanes ? [short(tag ?? t.base, 14)] : []), count.toLocaleString(t.locale)];
  if (perSecond !== undefined && perSecond > 0) parts.push(t.traffic.perSecond(perSecond.toLocaleString(t.locale, { maximumFractionDigits: 1 })));
  if (p95Ms !== undefined) parts.push(t.traffic.p95(p95Ms.toLocaleString(t.locale)));
  const label = parts.join(' · ');
  const errors = failed === 0 ? '' : ` ✕${failed}`;
  const width = (label.length + errors.length) * PLATE.character + 20;
  return (
    <g className={`edge plate-of ${useLaneClass(tag)}`} transform={`translate(${labelX} ${labelY})`}>
      <rect className="plate" x={-width / 2} y={-PLATE.height / 2} width={width} height={PLATE.height} rx={PLATE.height / 2} />
      <text y={4.2} textAnchor="middle" fontSize={12}>
        {label}
        {errors !== '' && <tspan className="bad">{errors}</tspan>}
      </text>
    </g>
  );
});

function short(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}
