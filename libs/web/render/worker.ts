import { renderCode } from './code.ts';
import { renderMarkdown, type DocumentPlace } from './markdown.ts';

/** What runs in the worker thread; the argument of each is copied there, and its answer back. */

export function markdown(task: { readonly text: string; readonly place: DocumentPlace }): string {
  return renderMarkdown(task.text, task.place);
}

export function code(task: { readonly text: string; readonly fileName: string }): string {
  return renderCode(task.text, task.fileName);
}
