/**
 * Traces of HTTP servers and clients, exported by OTLP or to Zipkin; the agent starts this with LANE_TRACES=otlp or zipkin. Spans carry `lane.tag` (the agent
 * puts it on all spans of a lane); those of calls to a known service, `lane.route` and `peer.service`.
 *
 * OpenTelemetry's own variables set the endpoint, the sampling and the service name: OTEL_EXPORTER_OTLP_ENDPOINT,
 * OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_ZIPKIN_ENDPOINT, OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES.
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
import { ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { currentLane, runInLane, type Log, type SettledVerdict } from '@lane/core/model';
import { trafficRouteOf } from '@lane/core/agent';
import { ProxyTracerProvider, trace, type Span } from '@opentelemetry/api';
import { ExportResultCode, W3CTraceContextPropagator } from '@opentelemetry/core';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider, type SpanExporter } from '@opentelemetry/sdk-trace-node';

/** How spans are exported. */
export type TraceExport = 'otlp' | 'zipkin';

/** What the agent provides. */
export interface TraceOptions {
  readonly to: TraceExport;
  /** Used unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES names the service. */
  readonly service: string;
  /** The verdict on a request: node:http's, or one that undici is creating. */
  readonly verdictOn: (request: object) => SettledVerdict | undefined;
  /** The agent's own calls, which are not traced. */
  readonly isOwn: (host: string, port: number) => boolean;
  readonly log: Log;
}

/** Starts tracing. Must run before the app; does nothing if an OpenTelemetry SDK is registered already. */
export function startTraces(options: TraceOptions): void {
  const provided = trace.getTracerProvider();
  if (!(provided instanceof ProxyTracerProvider) || provided.getDelegateTracer('lane') !== undefined) {
    options.log.warn(`LANE_TRACES=${options.to} is not needed: the app has an OpenTelemetry SDK, whose spans carry lane.tag`);
    return;
  }
  const provider = new NodeTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes(options.service === '' ? {} : { 'service.name': options.service }))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(outsideLanes(exporterOf(options.to), options))],
  });
  // Leave baggage to the app, as without us.
  provider.register({ propagator: new W3CTraceContextPropagator() });
  registerInstrumentations({ tracerProvider: provider, instrumentations: [httpInstrumentation(options), undiciInstrumentation(options)] });
  // The instrumentation waits for a require of them, which an ESM app never does.
  require('http');
  require('https');
  syncBuiltinESMExports();
  // Send the rest when the process ends by itself; a killed one loses its last seconds.
  process.once('beforeExit', () => void provider.forceFlush().catch(() => {}));
}

const ENDPOINT_VARIABLES: Readonly<Record<TraceExport, string>> = {
  otlp: 'OTEL_EXPORTER_OTLP_ENDPOINT',
  zipkin: 'OTEL_EXPORTER_ZIPKIN_ENDPOINT',
};

/** Loads only the exporter in use. */
function exporterOf(to: TraceExport): SpanExporter {
  if (to === 'zipkin') {
    const { ZipkinExporter } = require('@opentelemetry/exporter-zipkin') as typeof import('@opentelemetry/exporter-zipkin');
    return new ZipkinExporter();
  }
  const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-http') as typeof import('@opentelemetry/exporter-trace-otlp-http');
  return new OTLPTraceExporter();
}

function httpInstrumentation({ verdictOn, isOwn }: TraceOptions): HttpInstrumentation {
  return new HttpInstrumentation({
    ignoreOutgoingRequestHook: (request: RequestOptions) => isOwn(request.hostname ?? request.host ?? '', Number(request.port)),
    requestHook: (span, request) => {
      if (request instanceof ClientRequest) mark(span, verdictOn(request));
    },
    // The first call to a service waits for its lookup, so the verdict is known only now.
    responseHook: (span, response) => {
      const { req } = response as IncomingMessage & { req?: unknown };
      if (req instanceof ClientRequest) mark(span, verdictOn(req));
    },
  });
}

function undiciInstrumentation({ verdictOn }: TraceOptions): UndiciInstrumentation {
  return new UndiciInstrumentation({ requestHook: (span, request) => mark(span, verdictOn(request)) });
}

/** Calls to unknown services, and those that went nowhere, have no route. */
function mark(span: Span, verdict: SettledVerdict | undefined): void {
  if (verdict?.instance === undefined) return;
  span.setAttributes({ 'lane.route': trafficRouteOf(verdict), 'peer.service': verdict.service.name });
}

/**
 * Whichever request ends the first span starts the batch timer, so an export runs outside any lane. OpenTelemetry silently drops what
 * it can't send; we log that, once until it works again.
 */
function outsideLanes(exporter: SpanExporter, { to, log }: TraceOptions): SpanExporter {
  let failing = false;
  return {
    export(spans, done) {
      const told: typeof done = (result) => {
        const failed = result.code !== ExportResultCode.SUCCESS;
        if (failed && !failing)
          log.warn(`spans could not be exported and are lost: check ${ENDPOINT_VARIABLES[to]}`, {
            error: result.error?.message ?? 'unknown',
          });
        failing = failed;
        done(result);
      };
      if (currentLane() === undefined) exporter.export(spans, told);
      else runInLane(undefined, () => exporter.export(spans, told));
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}
