import { useEffect, useRef, useState } from 'react';
import type { Traffic } from '../api/queries.js';
import type { Seats } from './layout.js';
import { shortestWays } from './shortest-ways.js';
import type { LayoutAnswer, LayoutRequest } from './layout-worker.js';

/** The services' seats as ordered by dagre, recomputed only when services or calls change; undefined: not ready. */
export function useSeats(traffic: Pick<Traffic, 'nodes' | 'edges'>): Seats | undefined {
  const [seats, setSeats] = useState<Seats>();
  const worker = useRef<Worker>(undefined);
  const asked = useRef(0);
  const services = [...new Set(traffic.nodes.map(({ service }) => service))].toSorted();
  // The key has no figures, or each update would move services.
  const topology = JSON.stringify([services, [...new Set(traffic.edges.map(({ from, to }) => `${from.service} ${to.service}`))].toSorted()]);
  useEffect(() => {
    const own = (worker.current = new Worker(new URL('./layout-worker.ts', import.meta.url), { type: 'module' }));
    own.addEventListener('message', ({ data }: MessageEvent<LayoutAnswer>) => {
      if (data.id === asked.current) setSeats(new Map(data.seats));
    });
    return () => own.terminate();
  }, []);
  useEffect(() => {
    const request: LayoutRequest = { id: ++asked.current, services, calls: shortestWays(services, traffic.edges) };
    worker.current?.postMessage(request);
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- figures alone move nothing
  }, [topology]);
  return seats;
}
