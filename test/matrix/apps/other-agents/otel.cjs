'use strict';
for (const signal of ['TRACES', 'METRICS', 'LOGS']) process.env[`OTEL_${signal}_EXPORTER`] = 'none';
const { NodeSDK, tracing } = require('@opentelemetry/sdk-node');
const { getNodeAutoInstrumentations } = require('@opentelemetry/auto-instrumentations-node');

const exporter = new tracing.InMemorySpanExporter();
globalThis.finishedSpans = () => exporter.getFinishedSpans();
new NodeSDK({
  instrumentations: [getNodeAutoInstrumentations()],
  spanProcessors: [new tracing.SimpleSpanProcessor(exporter)],
}).start();
