import { useEffect, useRef, useState } from 'react';
import type { Traffic } from '../api/queries.js';
import type { Seats } from './layout.js';
import type { LayoutAnswer, LayoutRequest } from './layout-worker.js';

/** Services as dagre orders them. They are ordered anew only when there are others, or other calls; undefined: not yet. */
export function useSeats(traffic: Pick<Traffic, 'nodes' | 'edges'>): Seats | undefined {
  const [seats, setSeats] = useState<Seats>();
  const worker = useRef<Worker>(undefined);
  const asked = useRef(0);
  const services = [...new Set(traffic.nodes.map(({ service }) => service))].toSorted();
  // The key has no figures in it, or each new one would move services about.
  const topology = JSON.stringify([services, [...new Set(traffic.edges.map(({ from, to }) => `${from.service} ${to.service}`))].toSorted()]);
  useEffect(() => {
    const own = (worker.current = new Worker(new URL('./layout-worker.ts', import.meta.url), { type: 'module' }));
    own.addEventListener('message', ({ data }: MessageEvent<LayoutAnswer>) => {
      if (data.id === asked.current) setSeats(new Map(data.seats));
    });
    return () => own.terminate();
  }, []);
  useEffect(() => {
    const request: LayoutRequest = { id: ++asked.current, services, calls: busiestCallers(traffic.edges) };
    worker.current?.postMessage(request);
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- figures alone move nothing
  }, [topology]);
  return seats;
}

/** Of each service: who calls it most. */
function busiestCallers(edges: Traffic['edges']): ReadonlyArray<readonly [string, string]> {
  const calls = new Map<string, Map<string, number>>();
  for (const { from, to, count } of edges) {
    if (from.service === to.service) continue;
    const callers = calls.get(to.service) ?? new Map<string, number>();
    calls.set(to.service, callers.set(from.service, (callers.get(from.service) ?? 0) + count));
  }
  return [...calls].map(([to, callers]) => {
    const [busiest] = [...callers].toSorted(([a, one], [b, other]) => other - one || (a < b ? -1 : 1));
    return [(busiest as [string, number])[0], to] as const;
  });
}
