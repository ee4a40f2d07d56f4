'use strict';
const broken = ;
