import type { MarkdownIt } from 'markdown-it';

/** `Some Heading, part 2` is linked to as `#some-heading-part-2`, as on other Git hosts. */
function slug(text: string): string {
  return text
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '')
    .replaceAll(' ', '-');
}

/** Gives every heading an id made of its text; the second of the same text gets `-1`, and so on. */
export function headingSlugs(markdownIt: MarkdownIt): void {
  markdownIt.core.ruler.push('heading_slugs', (state) => {
    const taken = new Map<string, number>();
    state.tokens.forEach((token, index) => {
      if (token.type !== 'heading_open') return;
      const children = state.tokens[index + 1]?.children ?? [];
      const base = slug(
        children
          .filter(({ type }) => type === 'text' || type === 'code_inline')
          .map(({ content }) => content)
          .join(''),
      );
      const count = taken.get(base) ?? 0;
      taken.set(base, count + 1);
      if (base !== '') token.attrSet('id', count === 0 ? base : `${base}-${count}`);
    });
  });
}
