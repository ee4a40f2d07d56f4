/** What a valid key of the header is, in words. */
export const BAGGAGE_KEY_ACCEPTED = "a key of the W3C baggage header: letters, digits and !#$%&'*+-.^_`|~";

/** Whether a text is a valid key of the header: an HTTP token (RFC 9110, section 5.6.2). */
export function isBaggageKey(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
}
