import { highlightLines, renderMarkdown, type MarkdownBases } from './markup.ts';

/** What runs in the worker thread; the argument of each is copied there. */

export function markdown(task: { readonly text: string; readonly bases: MarkdownBases }): string {
  return renderMarkdown(task.text, task.bases);
}

export function highlight(task: { readonly text: string; readonly fileName: string }): readonly string[] {
  return highlightLines(task.text, task.fileName);
}
