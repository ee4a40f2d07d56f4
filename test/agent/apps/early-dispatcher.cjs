'use strict';
for (const version of [1, 2]) globalThis[Symbol.for(`undici.globalDispatcher.${version}`)] = { dispatch: () => false };
