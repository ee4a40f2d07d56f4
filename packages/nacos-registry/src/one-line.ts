/** Spaces and control characters; `\p{Cc}` is the same, but V8 would load Unicode's classes for it at each start. */
// oxlint-disable-next-line no-control-regex -- these are what it is about
const SPACES = /[\s\u0000-\u001f\u007f-\u009f]+/g;

/** What a server wrote, in one line for a message. */
export function oneLine(text: string): string {
  return text.replace(SPACES, ' ').trim();
}
