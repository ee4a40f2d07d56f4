/**
 * Metrics for OpenTelemetry, if the app has a meter provider: observable counters read ours when the SDK collects, so that
 * the request path does nothing. The provider is found where the API keeps it, at globalThis under a symbol of its major version;
 * nothing of it is loaded.
 */
import type { Tag } from '@lane/core/model';
import { safely } from '../../patching/safely.js';
import type { TrafficRecorder } from './recorder.js';

interface Result {
  observe(value: number, attributes: Readonly<Record<string, string>>): void;
}
interface Instrument {
  addCallback(callback: (result: Result) => void): void;
}
interface Meter {
  createObservableCounter(name: string, options: { readonly description: string; readonly unit: string }): Instrument;
}
/** The part of a meter provider that we use. */
export interface MeterProvider {
  getMeter(name: string, version: string): Meter;
}

/** Lets the provider's SDK read the counters. */
export function observeTraffic(provider: MeterProvider, version: string, { counters }: TrafficRecorder): void {
  const meter = provider.getMeter('lane', version);
  const counter = (name: string, description: string, unit: string, read: (result: Result) => void): void =>
    meter.createObservableCounter(name, { description, unit }).addCallback(safely(`OpenTelemetry ${name}`, read));
  const tagged = (tag: Tag | null): Record<string, string> => (tag === null ? {} : { 'lane.tag': tag });

  counter('lane.requests', 'Requests that have ended', '{request}', (result) => {
    for (const { tag, source, count } of counters.requestFigures()) result.observe(count, { ...tagged(tag), 'lane.source': source });
  });
  counter('lane.request.errors', 'Requests answered with a 5xx, or not at all', '{request}', (result) => {
    for (const { tag, source, errors } of counters.requestFigures()) result.observe(errors, { ...tagged(tag), 'lane.source': source });
  });
  counter('lane.calls', 'Calls made', '{call}', (result) => {
    for (const { peer, tag, route, count } of counters.callFigures())
      result.observe(count, { ...tagged(tag), 'peer.service': peer, 'lane.route': route });
  });
  counter('lane.call.errors', 'Calls that got no answer, or a 5xx', '{call}', (result) => {
    for (const { peer, tag, route, errors } of counters.callFigures())
      result.observe(errors, { ...tagged(tag), 'peer.service': peer, 'lane.route': route });
  });
}
