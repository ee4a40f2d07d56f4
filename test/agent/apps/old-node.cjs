'use strict';
Object.defineProperty(process, 'version', { value: 'v18.20.4' });
