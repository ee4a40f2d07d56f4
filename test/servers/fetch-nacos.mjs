/** Fetches and builds the real Nacos servers, as continuous integration does before the tests: it takes minutes, and hooks have a time limit. */
import { load } from '../bench/injector/typescript.mjs';

const { everyNacosVersion, prepare } = load('../../servers/nacos-installation.ts');
for (const version of everyNacosVersion) await prepare(version, console.error);
