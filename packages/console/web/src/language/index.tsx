/** The language of the pages: the one chosen, else the one the browser asked for. */
import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from 'react';
import { en, type Text } from './en.js';
import { zh } from './zh.js';

/** The available languages. */
export const LANGUAGES = { en, zh } as const;
export type Language = keyof typeof LANGUAGES;

const KEY = 'lane-language';

interface Chosen {
  readonly language: Language;
  readonly text: Text;
  choose(language: Language): void;
}

const LanguageContext = createContext<Chosen | undefined>(undefined);

/** Gives the pages their language, and the document its `lang`. */
export function LanguageProvider({ children }: { readonly children: ReactNode }) {
  const [language, setLanguage] = useState<Language>(firstLanguage);
  useEffect(() => {
    document.documentElement.lang = LANGUAGES[language].locale;
  }, [language]);
  const chosen = useMemo<Chosen>(
    () => ({
      language,
      text: LANGUAGES[language],
      choose(next) {
        setLanguage(next);
        try {
          localStorage.setItem(KEY, next);
        } catch {
          // The browser has no storage.
        }
      },
    }),
    [language],
  );
  return <LanguageContext.Provider value={chosen}>{children}</LanguageContext.Provider>;
}

/** The language, and how to choose another. */
export function useLanguage(): Chosen {
  const chosen = useContext(LanguageContext);
  if (chosen === undefined) throw new Error('useLanguage is for what stands within LanguageProvider');
  return chosen;
}

/** All texts of the pages, in the chosen language. */
export function useText(): Text {
  return useLanguage().text;
}

function isLanguage(value: string | null | undefined): value is Language {
  return value !== null && value !== undefined && Object.hasOwn(LANGUAGES, value);
}

function firstLanguage(): Language {
  let chosen: string | null = null;
  try {
    chosen = localStorage.getItem(KEY);
  } catch {
    // The browser has no storage.
  }
  if (isLanguage(chosen)) return chosen;
  // The console has set it by Accept-Language.
  const asked = document.documentElement.lang.split('-')[0];
  return isLanguage(asked) ? asked : 'en';
}
