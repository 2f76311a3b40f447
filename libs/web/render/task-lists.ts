import type { MarkdownIt } from 'markdown-it';

/** List items that begin with `[ ]` or `[x]` get a box to look at: a character, since nobody can press it here. */
export function taskLists(markdownIt: MarkdownIt): void {
  markdownIt.core.ruler.after('inline', 'task_lists', (state) => {
    state.tokens.forEach((token, index) => {
      const isItem =
        state.tokens[index - 1]?.type === 'paragraph_open' &&
        state.tokens[index - 2]?.type === 'list_item_open';
      const first = token.children?.[0];
      if (token.type !== 'inline' || !isItem || first?.type !== 'text') return;
      first.content = first.content.replace(/^\[([ xX])\] /, (_, mark: string) =>
        mark === ' ' ? '☐ ' : '☑ ',
      );
    });
  });
}
