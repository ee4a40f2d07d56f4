/**
 * Makes Jazzer.js' fuzzer loadable. It is built for glibc 2.38 (Debian 13, Ubuntu 24.04), and uses two new functions of it. For an older glibc,
 * a small library, compiled here, provides these, and a patched copy of the fuzzer accepts the older version.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const SHIM = `
#include <stdlib.h>
long __isoc23_strtol(const char *s, char **e, int b) { return strtol(s, e, b); }
unsigned long __isoc23_strtoul(const char *s, char **e, int b) { return strtoul(s, e, b); }
/* From libstdc++ 13: older versions initialize the streams anyway. */
void _ZSt21ios_base_library_initv(void) {}
`;
/** Versions newer than Debian 12, which the shim replaces. */
const NEWER = new Set(['GLIBC_2.38', 'GLIBCXX_3.4.32']);

/** Environment variables for Jazzer.js, whose package is in `folder`; builds missing parts in `cache`. */
export function nativeEnvironment(folder, cache) {
  const glibc = process.report.getReport().header.glibcVersionRuntime;
  if (glibc === undefined || Number(glibc.split('.')[1]) >= 38) return {};
  mkdirSync(cache, { recursive: true });
  const library = join(cache, 'glibc-2.38.so');
  if (!existsSync(library)) {
    const source = join(cache, 'glibc-2.38.c');
    writeFileSync(source, SHIM);
    try {
      execFileSync('cc', ['-shared', '-fPIC', '-o', library, source]);
    } catch (error) {
      throw new Error(
        `Jazzer.js takes glibc 2.38, here is ${glibc}: install a C compiler (Debian: gcc), by which it runs here, too. ${error.message}`,
      );
    }
  }
  const { resolve } = createRequire(join(folder, 'package.json'));
  const fuzzer = dirname(createRequire(resolve('@jazzer.js/core')).resolve('@jazzer.js/fuzzer/package.json'));
  const file = join(fuzzer, 'prebuilds', `fuzzer-linux-${process.arch}.node`);
  const bytes = readFileSync(file);
  if (weaken(bytes)) {
    // Replace the file instead of writing into it: the package manager's store may share it.
    writeFileSync(`${file}.new`, bytes);
    renameSync(`${file}.new`, file);
  }
  return { LD_PRELOAD: library };
}

/** Marks these versions as weak (VER_FLG_WEAK) in the needed versions of an ELF file (64 bits, little endian), so that the loader does not require them. */
function weaken(bytes) {
  const sections = Number(bytes.readBigUInt64LE(0x28));
  const size = bytes.readUInt16LE(0x3a);
  const offsetOf = (section) => Number(bytes.readBigUInt64LE(sections + section * size + 0x18));
  let changed = false;
  for (let section = 0; section < bytes.readUInt16LE(0x3c); section++) {
    // SHT_GNU_verneed
    if (bytes.readUInt32LE(sections + section * size + 4) !== 0x6fff_fffe) continue;
    const names = offsetOf(bytes.readUInt32LE(sections + section * size + 0x28));
    let library = offsetOf(section);
    for (let more = -1; more !== 0; library += more) {
      let version = library + bytes.readUInt32LE(library + 8);
      for (let next = -1; next !== 0; version += next) {
        const start = names + bytes.readUInt32LE(version + 8);
        const flags = bytes.readUInt16LE(version + 4);
        if (NEWER.has(bytes.toString('latin1', start, bytes.indexOf(0, start))) && (flags & 2) === 0) {
          bytes.writeUInt16LE(flags | 2, version + 4);
          changed = true;
        }
        next = bytes.readUInt32LE(version + 12);
      }
      more = bytes.readUInt32LE(library + 12);
    }
  }
  return changed;
}
