/**
 * Normalizes a path for matching routes and entry rules. The instance gets the path as the client wrote it: it
 * reads it by its own rules, and signatures over it stay valid.
 */

/** Everything that allows a second spelling. */
const NOT_PLAIN = /[%\\]|\/\/|\/\./;
const ESCAPE = /%([\da-f]{2})/gi;
const UNRESERVED = /[A-Za-z\d._~-]/;

/**
 * A path in its normal form (RFC 3986, 6.2.2): unreserved characters are decoded once, other escapes are in capitals, `.` and `..` are
 * resolved. Beyond the RFC, repeated slashes count as one, a backslash as a slash, and `..;x` as `..`, as in servers and browsers. `%2F` and `%5C`
 * stay: they are part of a segment.
 */
export function normalizePath(path: string): string {
  if (!NOT_PLAIN.test(path)) return path;
  const decoded = path
    .replaceAll(ESCAPE, (escape, hex: string) => {
      const character = String.fromCharCode(Number.parseInt(hex, 16));
      return UNRESERVED.test(character) ? character : escape.toUpperCase();
    })
    .replaceAll('\\', '/');
  const kept: string[] = [];
  // Servlet containers remove parameters from a segment before they look for dots.
  const segments = decoded.split('/').map((segment) => segment.replace(/^(\.\.?);.*$/s, '$1'));
  const last = segments.at(-1) as string;
  for (const segment of segments) {
    if (segment === '..') kept.pop();
    else if (segment !== '.' && segment !== '') kept.push(segment);
  }
  const isFolder = last === '' || last === '.' || last === '..';
  return kept.length === 0 ? '/' : `/${kept.join('/')}${isFolder ? '/' : ''}`;
}
