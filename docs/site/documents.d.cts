export const ROOT: string;
export interface Piece {
  readonly kind: 'prose' | 'inline' | 'block';
  readonly text: string;
}
export interface Link {
  readonly isPicture: boolean;
  readonly label: string;
  readonly target: string;
  readonly whole: string;
}
export function documents(): string[];
export function textOf(path: string): string;
export function pieces(text: string): Generator<Piece>;
export function replaceLinks(text: string, replace: (link: Link) => string): string;
export function linksOf(text: string): string[];
export function anchorOf(heading: string): string;
export function anchorsOf(text: string): Set<string>;
export function resolveLink(from: string, target: string): { path: string; anchor: string | undefined; exists: boolean; isFile: boolean } | undefined;
export function deadLinks(from: string, text?: string): string[];
