'use strict';
// All of OpenTelemetry's instrumentations, exporters off.
for (const kind of ['TRACES', 'METRICS', 'LOGS']) process.env[`OTEL_${kind}_EXPORTER`] = 'none';
process.env.OTEL_LOG_LEVEL = 'none';
require('@opentelemetry/auto-instrumentations-node/register');
