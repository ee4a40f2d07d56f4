'use strict';
require('dd-trace').init({ url: 'http://127.0.0.1:9', startupLogs: false, telemetry: false, remoteConfig: { enabled: false } });
