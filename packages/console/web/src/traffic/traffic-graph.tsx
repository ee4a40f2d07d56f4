import { useMemo } from 'react';
import type { Traffic } from '../api/queries.js';
import { useText } from '../language/index.js';
import { laneClass } from '../parts/lane-badge.js';
import { BAND_HEIGHT, layOut, NODE, type PlacedEdge } from './layout.js';

const PLATE = { height: 22, character: 6.9 } as const;

/** Who calls whom, as a picture. The table beside it has the same figures for those who can't see it. */
export function TrafficGraph({ traffic }: { readonly traffic: Traffic }) {
  const t = useText();
  const layout = useMemo(() => layOut(traffic), [traffic]);
  const services = new Set(layout.nodes.map(({ service }) => service)).size;
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={t.traffic.graph}>
      <svg
        className="graph"
        role="img"
        aria-label={t.traffic.graphLabel(services, layout.edges.length)}
        viewBox={`0 0 ${layout.width} ${layout.height}`}
        style={{ display: 'block', width: '100%', minWidth: Math.min(layout.width, 760), maxHeight: 620 }}
      >
        {layout.bands.map(({ tag, y }) => (
          <g key={tag ?? ''} className={laneClass(tag)}>
            <rect className="band" x={0} y={y + 3} width={layout.width} height={BAND_HEIGHT - 6} rx={14} />
            <text x={16} y={y + BAND_HEIGHT / 2 + 5} fontSize={14} fontWeight={650} style={{ fill: 'var(--lane-text)' }}>
              {short(tag ?? t.base, 10)}
            </text>
          </g>
        ))}
        {layout.edges.map((edge) => (
          <EdgeLine key={edge.key} edge={edge} />
        ))}
        {layout.nodes.map(({ service, tag, x, y, instances, count, errors }) => (
          <g key={`${service} ${tag}`} className={`node ${laneClass(tag)}`} transform={`translate(${x} ${y})`}>
            <rect width={NODE.width} height={NODE.height} rx={12} />
            <text x={NODE.width / 2} y={26} textAnchor="middle" fontSize={14} fontWeight={650}>
              {short(service, 20)}
            </text>
            <text
              x={NODE.width / 2}
              y={46}
              textAnchor="middle"
              fontSize={12.5}
              style={{ fill: errors > 0 ? 'var(--bad)' : 'var(--mantine-color-dimmed)' }}
            >
              {count.toLocaleString(t.locale)}
              {errors > 0 ? ` · ${t.traffic.errors} ${errors}` : ''} · {t.group.healthy(instances, instances)}
            </text>
          </g>
        ))}
        {layout.edges.map((edge) => (
          <EdgePlate key={edge.key} edge={edge} />
        ))}
      </svg>
    </div>
  );
}

function EdgeLine({ edge }: { readonly edge: PlacedEdge }) {
  const width = 1.5 + Math.min(4, Math.log10(edge.count + 1));
  return (
    <g className={`edge ${laneClass(edge.tag)}`} data-live={(edge.perSecond ?? 0) > 0 || undefined}>
      <path d={edge.path} strokeWidth={width} opacity={0.45} />
      <path className="flow" d={edge.path} strokeWidth={width + 1} />
    </g>
  );
}

function EdgePlate({ edge }: { readonly edge: PlacedEdge }) {
  const t = useText();
  const rate =
    edge.perSecond === undefined || edge.perSecond === 0
      ? undefined
      : t.traffic.perSecond(edge.perSecond.toLocaleString(t.locale, { maximumFractionDigits: 1 }));
  const label = rate === undefined ? edge.count.toLocaleString(t.locale) : `${edge.count.toLocaleString(t.locale)} · ${rate}`;
  const errors = edge.errors === 0 ? '' : ` ✕${edge.errors}`;
  const width = (label.length + errors.length) * PLATE.character + 20;
  return (
    <g className={`edge ${laneClass(edge.tag)}`} transform={`translate(${edge.labelX} ${edge.labelY})`}>
      <rect className="plate" x={-width / 2} y={-PLATE.height / 2} width={width} height={PLATE.height} rx={PLATE.height / 2} />
      <text y={4.2} textAnchor="middle" fontSize={12}>
        {label}
        {errors !== '' && <tspan className="bad">{errors}</tspan>}
      </text>
    </g>
  );
}

function short(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}
