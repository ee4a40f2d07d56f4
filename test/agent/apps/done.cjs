'use strict';
console.log('served');
