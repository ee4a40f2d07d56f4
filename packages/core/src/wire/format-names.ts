/** The names of formats, separate from their table: parsing options needs only these. */

/** The formats that need no argument. */
export type KnownFormat = 'baggage' | 'mse' | 'polaris' | 'dubbo' | 'asm' | 'nepxion' | 'joylive' | 'opensergo';

/** How a tag is written into a carrier: a known format, or one whose header the user names, as in `header(x-canary)`. */
export type FormatName = KnownFormat | `${FormatWithHeader}(${string})`;

/** The formats that take the name of a header. */
export type FormatWithHeader = 'asm' | 'header';

/** All formats that need no argument, as LANE_FORMATS accepts them. */
export const FORMAT_NAMES: readonly KnownFormat[] = ['baggage', 'mse', 'polaris', 'dubbo', 'asm', 'nepxion', 'joylive', 'opensergo'];

/** What LANE_FORMATS and similar options accept, in words. */
export const FORMATS_ACCEPTED = `${FORMAT_NAMES.join(', ')}, asm(HEADER) and header(HEADER)`;

/** Default formats. */
export const DEFAULT_FORMATS: readonly KnownFormat[] = ['baggage'];

/** Whether a text names a format, in lower case. */
export function isFormatName(text: unknown): text is FormatName {
  return typeof text === 'string' && ((FORMAT_NAMES as readonly string[]).includes(text) || partsOf(text) !== undefined);
}

/** Reads a list of formats, as LANE_FORMATS has it: names in any case, between commas or blanks. undefined: one is no format, or there is none. */
export function parseFormatNames(text: string): readonly FormatName[] | undefined {
  const names = text
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((name) => name !== '');
  return names.length > 0 && names.every(isFormatName) ? names : undefined;
}

/** The format and the header of `asm(x-my-tag)`; undefined: it is no format. */
export function partsOf(text: string): [FormatWithHeader, string] | undefined {
  const match = /^(asm|header)\(([!#$%&'*+\-.^_`|~0-9a-z]{1,128})\)$/.exec(text);
  return match === null || TAKEN_HEADERS.test(match[2] as string) ? undefined : [match[1] as FormatWithHeader, match[2] as string];
}

/** Headers with another meaning: a tag in them would break requests, or overwrite others' data. */
const TAKEN_HEADERS =
  /^(?:accept(?:-.*)?|authorization|baggage|b3|cache-control|connection|content-.*|cookie|date|expect|forwarded|from|host|http2-settings|if-.*|keep-alive|max-forwards|origin|pragma|proxy-.*|range|referer|sec-.*|set-cookie|te|trailer|traceparent|tracestate|transfer-encoding|upgrade|user-agent|via|x-b3-.*|x-forwarded-.*|x-real-ip|x-request-id)$/;
