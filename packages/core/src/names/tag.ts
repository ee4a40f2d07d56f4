/** The name of a lane on the wire and on instances, such as `gray`: 1 to 64 of `A-Z a-z 0-9 . _ -`. */
export type Tag = string;

/** Longest tag, in characters. */
export const MAX_TAG_LENGTH = 64;

/** What a tag consists of, in words, for error messages. */
export const TAG_RULE = '1 to 64 characters of A-Z a-z 0-9 . _ -';

/** Whether a value is a valid tag. Anything else counts as no tag. */
export function isTag(value: unknown): value is Tag {
  if (typeof value !== 'string') return false;
  const { length } = value;
  if (length === 0 || length > MAX_TAG_LENGTH) return false;
  // A loop over char codes: on the request path, and three times as fast as a regular expression for short tags.
  for (let i = 0; i < length; i++) {
    const code = value.charCodeAt(i);
    const valid =
      (code >= 97 && code <= 122) || (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || code === 45 || code === 46 || code === 95;
    if (!valid) return false;
  }
  return true;
}
