/** Shows problems of a form at their fields. Paths are JSON pointers into the edited value. */
import { Alert } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import type { Problem } from '@lane/core/rules';
import { createContext, useContext, useMemo, type ReactNode } from 'react';
import { useText } from '../language/index.js';

interface Problems {
  /** The message for a field, if it may be shown yet. `deep`: or for anything in it. */
  at(path: string, deep?: boolean): string | undefined;
}

const ProblemsContext = createContext<Problems>({ at: () => undefined });

/** The element id of the field of a path. */
export function fieldId(path: string): string {
  return `field${path.replaceAll('/', '-')}`;
}

/** Provides problems to the fields inside. `isTold` says which paths may show theirs, so that nobody is interrupted while typing. */
export function ProblemsProvider(props: { readonly problems: readonly Problem[]; isTold(path: string): boolean; readonly children: ReactNode }) {
  const t = useText();
  const { problems, isTold, children } = props;
  const value = useMemo<Problems>(
    () => ({
      at(path, deep = false) {
        const found = problems.find((problem) => problem.path === path || (deep && problem.path.startsWith(`${path}/`)));
        return found === undefined || !isTold(path) ? undefined : t.problem(found.message);
      },
    }),
    [problems, isTold, t],
  );
  return <ProblemsContext.Provider value={value}>{children}</ProblemsContext.Provider>;
}

/** The message for a field. */
export function useProblem(path: string, deep = false): string | undefined {
  return useContext(ProblemsContext).at(path, deep);
}

/** Lists all problems, each with a link to its field. */
export function ProblemSummary({
  title,
  problems,
  links = true,
}: {
  readonly title: string;
  readonly problems: readonly Problem[];
  readonly links?: boolean;
}) {
  const t = useText();
  if (problems.length === 0) return null;
  return (
    <Alert
      color="red"
      variant="outline"
      role="alert"
      title={title}
      icon={<IconAlertTriangle aria-hidden />}
      mb="lg"
      bg="var(--surface)"
      styles={{ title: { color: 'var(--mantine-color-error)' } }}
    >
      <ul style={{ margin: 0, paddingInlineStart: '1.2rem' }}>
        {problems.map(({ path, message }) => (
          <li key={`${path} ${message}`} className="break">
            {links ? (
              <a
                href={`#${fieldId(path)}`}
                onClick={(event) => {
                  event.preventDefault();
                  focusField(path);
                }}
                style={{ color: 'var(--mantine-color-anchor)' }}
              >
                <span className="mono">{path === '' ? '/' : path}</span>
              </a>
            ) : (
              <span className="mono">{path === '' ? '/' : path}</span>
            )}
            : {t.problem(message)}
          </li>
        ))}
      </ul>
    </Alert>
  );
}

/** Focuses the field of a path, or its nearest ancestor. */
function focusField(path: string): void {
  for (let at = path; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) {
    const field = document.getElementById(fieldId(at));
    if (field !== null) {
      field.focus();
      field.scrollIntoView({ block: 'center' });
      return;
    }
  }
}
