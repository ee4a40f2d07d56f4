import http, { get, request } from 'node:http';
import * as undici from 'undici';
import * as undici6 from 'undici6';
import serve from './clients.body.cjs';

serve({ http, request, get, undici, undici6 });
