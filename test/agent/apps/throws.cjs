'use strict';
throw new Error('of the app');
