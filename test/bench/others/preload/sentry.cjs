'use strict';
// Sentry's agent, with tracing and a transport that drops everything.
require('@sentry/node').init({
  dsn: 'http://public@127.0.0.1:9/1',
  tracesSampleRate: 1,
  transport: () => ({ send: () => Promise.resolve({}), flush: () => Promise.resolve(true) }),
});
