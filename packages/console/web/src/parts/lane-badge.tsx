import { useText } from '../language/index.js';

const COLORS = 7;

/** The class that has the colours of a tag; the same tag has the same everywhere. */
export function laneClass(tag: string | undefined): string {
  if (tag === undefined) return 'lane-base';
  // FNV-1a: any hash that spreads short texts.
  let hash = 0x811c9dc5;
  for (let i = 0; i < tag.length; i++) hash = Math.imul(hash ^ tag.charCodeAt(i), 0x01000193);
  return `lane-${(hash >>> 0) % COLORS}`;
}

/** A tag in its colour; base where there is none. */
export function LaneBadge({ tag, name, off = false }: { readonly tag: string | undefined; readonly name?: string; readonly off?: boolean }) {
  const t = useText();
  return (
    <span className={`lane-badge ${laneClass(tag)}`} data-off={off || undefined}>
      {name ?? tag ?? t.base}
    </span>
  );
}
