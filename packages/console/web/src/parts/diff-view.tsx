import { diffLines } from 'diff';
import { useText } from '../language/index.js';

const CONTEXT = 3;

interface Line {
  readonly kind: 'same' | 'added' | 'removed';
  readonly text: string;
}

/** The differences between two texts, line by line. Leaves out equal lines that are far from a change. */
export function DiffView({ before, after, label }: { readonly before: string; readonly after: string; readonly label: string }) {
  const t = useText();
  const lines = diffLines(before, after).flatMap(({ value, added, removed }): Line[] =>
    value
      .replace(/\n$/, '')
      .split('\n')
      .map((text) => ({ kind: added ? 'added' : removed ? 'removed' : 'same', text })),
  );
  if (lines.every(({ kind }) => kind === 'same')) return <p>{t.history.same}</p>;
  const isNear = (i: number): boolean => lines.slice(Math.max(0, i - CONTEXT), i + CONTEXT + 1).some(({ kind }) => kind !== 'same');
  const shown = lines.map((line, i) => ({ ...line, i, isShown: isNear(i) }));
  return (
    <div className="diff" role="region" aria-label={label} tabIndex={0}>
      {shown.map(({ kind, text, i, isShown }) => {
        if (!isShown) {
          return i === 0 || shown[i - 1]?.isShown === true ? (
            <div key={i} className="diff-skip" aria-hidden>
              ⋯
            </div>
          ) : null;
        }
        return (
          <div key={i} className="diff-line" data-kind={kind}>
            <span aria-hidden>{kind === 'added' ? '+' : kind === 'removed' ? '−' : ' '}</span>
            {kind !== 'same' && <span className="visually-hidden">{kind === 'added' ? t.history.added : t.history.removed} </span>}
            <span>{text}</span>
          </div>
        );
      })}
    </div>
  );
}
