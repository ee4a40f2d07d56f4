import { ActionIcon, Group } from '@mantine/core';
import { IconZoomIn, IconZoomOut, IconZoomReset } from '@tabler/icons-react';
import { memo, useCallback, useMemo, useState } from 'react';
import type { Traffic } from '../api/queries.js';
import { useText } from '../language/index.js';
import { laneClass } from '../parts/lane-badge.js';
import { layOut, NODE, type PlacedEdge, type PlacedNode } from './layout.js';
import { useSeats } from './use-seats.js';

const PLATE = { height: 22, character: 6.9 } as const;
/** More ways have figures only where something fails, or where one looks. */
const MAX_PLATES = 60;
const ZOOM = { least: 0.15, most: 2, step: 1.4 } as const;
/** What a graph has room for. One that could only be read with a glass there opens at {@link READABLE}, and is scrolled. */
const ROOM = { width: 760, height: 620 } as const;
const READABLE = 0.7;

/** What was chosen in the graph, by its key. */
export interface Chosen {
  readonly kind: 'node' | 'edge';
  readonly key: string;
}

/** Who calls whom, as a picture. The table beside it has the same figures for those who can't see it. */
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
  if (layout === undefined) return <p role="status">{t.traffic.arranging}</p>;
  const services = new Set(layout.nodes.map(({ service }) => service)).size;
  const focus = hovered ?? chosen?.key;
  const touches = (edge: PlacedEdge): boolean => focus === edge.key || focus === edge.from || focus === edge.to;
  const isFocused = focus !== undefined && (layout.nodes.some(({ key }) => key === focus) || layout.edges.some(({ key }) => key === focus));
  const near = new Set(layout.edges.filter(touches).flatMap(({ from, to }) => [from, to]));
  const plates = layout.edges.filter((edge) => (isFocused ? touches(edge) : layout.edges.length <= MAX_PLATES || edge.errors > 0));
  const fits = layout.width * READABLE <= ROOM.width && layout.height * READABLE <= ROOM.height;
  const shownAt = zoom ?? (fits ? undefined : READABLE);
  const scale = (by: number): void => setZoom(Math.min(ZOOM.most, Math.max(ZOOM.least, (shownAt ?? 1) * by)));
  return (
    <>
      <Group gap={4} mb="xs" justify="flex-end">
        <ActionIcon variant="default" aria-label={t.traffic.zoomOut} onClick={() => scale(1 / ZOOM.step)}>
          <IconZoomOut size={17} aria-hidden />
        </ActionIcon>
        <ActionIcon variant="default" aria-label={t.traffic.zoomFit} onClick={() => setZoom(undefined)}>
          <IconZoomReset size={17} aria-hidden />
        </ActionIcon>
        <ActionIcon variant="default" aria-label={t.traffic.zoomIn} onClick={() => scale(ZOOM.step)}>
          <IconZoomIn size={17} aria-hidden />
        </ActionIcon>
      </Group>
      <div className="scroll graph-scroll" tabIndex={0} role="region" aria-label={t.traffic.graph}>
        <svg
          className="graph"
          role="group"
          aria-label={t.traffic.graphLabel(services, layout.edges.length)}
          viewBox={`0 0 ${layout.width} ${layout.height}`}
          style={
            shownAt === undefined
              ? { display: 'block', width: '100%', minWidth: Math.min(layout.width, ROOM.width), maxHeight: ROOM.height }
              : { display: 'block', width: layout.width * shownAt, height: layout.height * shownAt }
          }
          onPointerLeave={() => setHovered(undefined)}
        >
          {layout.bands.map(({ tag, y, height }) => (
            <g key={tag ?? ''} className={laneClass(tag)}>
              <rect className="band" x={0} y={y + 3} width={layout.width} height={height - 6} rx={14} />
              <text x={16} y={y + height / 2 + 5} fontSize={14} fontWeight={650} style={{ fill: 'var(--lane-text)' }}>
                {short(tag ?? t.base, 10)}
              </text>
            </g>
          ))}
          {layout.edges.map((edge) => (
            <EdgeLine
              key={edge.key}
              {...lineOf(edge)}
              isDim={isFocused && !touches(edge)}
              isChosen={chosen?.key === edge.key}
              onHover={setHovered}
              onChoose={chooseEdge}
            />
          ))}
          {layout.nodes.map((node) => (
            <NodeBox
              key={node.key}
              {...boxOf(node)}
              isDim={isFocused && focus !== node.key && !near.has(node.key)}
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

interface Interactive {
  readonly isDim: boolean;
  readonly isChosen: boolean;
  onHover(key: string | undefined): void;
  onChoose(key: string): void;
}

// What is drawn of each has only what it shows: what has not changed is not drawn again.
type Line = Pick<PlacedEdge, 'path' | 'head' | 'tag'> & {
  readonly id: string;
  readonly width: number;
  readonly isLive: boolean;
  readonly fails: boolean;
};
const lineOf = ({ key, path, head, tag, count, perSecond, errors }: PlacedEdge): Line => ({
  id: key,
  path,
  head,
  tag,
  // In steps, or each call would draw it anew.
  width: 1.5 + Math.round(Math.min(4, Math.log10(count + 1)) * 2) / 2,
  isLive: (perSecond ?? 0) > 0,
  fails: errors > 0,
});

const EdgeLine = memo(function EdgeLine({ id, path, head, tag, width, isLive, fails, isDim, isChosen, onHover, onChoose }: Line & Interactive) {
  return (
    <g
      className={`edge ${laneClass(tag)}`}
      data-live={isLive || undefined}
      data-fails={fails || undefined}
      data-dim={isDim || undefined}
      data-chosen={isChosen || undefined}
      onPointerEnter={() => onHover(id)}
      onPointerLeave={() => onHover(undefined)}
      onClick={() => onChoose(id)}
    >
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
  isDim,
  isChosen,
  onHover,
  onChoose,
}: Box & Interactive) {
  const t = useText();
  const tag = tagOrNone === '' ? undefined : tagOrNone;
  return (
    <g
      className={`node ${laneClass(tag)}`}
      transform={`translate(${x} ${y})`}
      data-dim={isDim || undefined}
      data-chosen={isChosen || undefined}
      onPointerEnter={() => onHover(id)}
      onPointerLeave={() => onHover(undefined)}
      onClick={() => onChoose(id)}
    >
      <title>{service}</title>
      {/* Its name stays the same, whatever is counted: what has the focus is not read out anew each time. */}
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
      <text x={NODE.width / 2} y={26} textAnchor="middle" fontSize={14} fontWeight={650}>
        {short(service, 20)}
      </text>
      <text x={NODE.width / 2} y={46} textAnchor="middle" fontSize={12.5} style={{ fill: errors > 0 ? 'var(--bad)' : 'var(--mantine-color-dimmed)' }}>
        {count.toLocaleString(t.locale)}
        {errors > 0 ? ` · ${t.traffic.errors} ${errors}` : ''} · {t.group.healthy(instances, instances)}
      </text>
    </g>
  );
});

type Plate = Pick<PlacedEdge, 'labelX' | 'labelY' | 'tag' | 'count' | 'errors' | 'perSecond' | 'p95Ms'>;
const plateOf = ({ labelX, labelY, tag, count, errors, perSecond, p95Ms }: PlacedEdge): Plate => ({
  labelX,
  labelY,
  tag,
  count,
  errors,
  perSecond,
  p95Ms,
});

const EdgePlate = memo(function EdgePlate({ labelX, labelY, tag, count, errors: failed, perSecond, p95Ms }: Plate) {
  const t = useText();
  const parts = [count.toLocaleString(t.locale)];
  if (perSecond !== undefined && perSecond > 0) parts.push(t.traffic.perSecond(perSecond.toLocaleString(t.locale, { maximumFractionDigits: 1 })));
  if (p95Ms !== undefined) parts.push(t.traffic.p95(p95Ms.toLocaleString(t.locale)));
  const label = parts.join(' · ');
  const errors = failed === 0 ? '' : ` ✕${failed}`;
  const width = (label.length + errors.length) * PLATE.character + 20;
  return (
    <g className={`edge plate-of ${laneClass(tag)}`} transform={`translate(${labelX} ${labelY})`}>
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
