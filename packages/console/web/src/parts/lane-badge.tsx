import { createContext, useContext, useMemo, type ReactNode } from 'react';
import { useText } from '../language/index.js';
import { colorOfName, colorsOf } from './lane-colors.js';

const Colors = createContext<ReadonlyMap<string, number>>(new Map());

/** Gives tags that are shown together different colours. Nested, it keeps the outer one's colours as long as they differ. */
export function LaneColors({ tags, children }: { readonly tags: readonly string[]; readonly children: ReactNode }) {
  const around = useContext(Colors);
  const key = JSON.stringify([...new Set(tags)].toSorted());
  const colors = useMemo(() => new Map([...around, ...colorsOf(JSON.parse(key) as string[], around)]), [key, around]);
  return <Colors.Provider value={colors}>{children}</Colors.Provider>;
}

/** The CSS class with the colours of a tag. */
export function useLaneClass(tag: string | undefined): string {
  const colors = useContext(Colors);
  return tag === undefined ? 'lane-base' : `lane-${colors.get(tag) ?? colorOfName(tag)}`;
}

/** A tag in its colour; without a tag, base. */
export function LaneBadge({ tag, name, off = false }: { readonly tag: string | undefined; readonly name?: string; readonly off?: boolean }) {
  const t = useText();
  return (
    <span className={`lane-badge ${useLaneClass(tag)}`} data-off={off || undefined}>
      {name ?? tag ?? t.base}
    </span>
  );
}
