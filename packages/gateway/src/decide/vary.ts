/**
 * What the choice of a lane depended on, for caches between the client and the gateway (RFC 9110, 12.5.5): the request headers that entry rules
 * and canaries look at, lane headers if they are trusted, and `*` if an address or a random share decides, which no
 * header shows. Host, path, method and query are part of a cache's key anyway.
 */
import type { EntryRule, LaneRules, Matcher } from '@lane/core/rules';

/** Collects names for `Vary`. */
class Dependencies {
  readonly names = new Set<string>();
  isOpen = false;

  addRules(rules: readonly EntryRule[]): void {
    for (const { match, percent } of rules) {
      if (match !== undefined) this.#addMatcher(match);
      // For a request without its key, a sticky share is random.
      if (percent !== undefined && percent > 0 && percent < 100) this.isOpen = true;
    }
  }

  #addMatcher(matcher: Matcher): void {
    if ('all' in matcher) for (const one of matcher.all) this.#addMatcher(one);
    else if ('any' in matcher) for (const one of matcher.any) this.#addMatcher(one);
    else if ('header' in matcher) this.names.add(matcher.header.toLowerCase());
    else if ('cookie' in matcher) this.names.add('cookie');
    else if ('clientIp' in matcher) this.isOpen = true;
    else if ('not' in matcher && !('host' in matcher) && !('query' in matcher)) this.#addMatcher(matcher.not as Matcher);
  }

  toString(): string | undefined {
    if (this.isOpen) return '*';
    return this.names.size === 0 ? undefined : [...this.names].join(', ');
  }
}

/** The value of `Vary` for these rules; undefined if they look at no header. */
export function varyOfRules(rules: readonly EntryRule[], lane: readonly string[]): string | undefined {
  const found = new Dependencies();
  for (const name of lane) found.names.add(name);
  found.addRules(rules);
  return found.toString();
}

/** The entry rules in force at a service, in document order. */
export function entryRulesAt({ document }: LaneRules, service: string): EntryRule[] {
  return document.groups
    .filter((group) => group.entry?.services.includes(service) === true)
    .flatMap((group) => group.lanes.filter((lane) => lane.enabled !== false).flatMap((lane) => lane.rules ?? []));
}
