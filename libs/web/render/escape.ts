const special = /[&<>"']/;

/** Text as it may stand anywhere in markup, between tags or in a quoted attribute. */
export function escapeHtml(text: string): string {
  return special.test(text) ? text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`) : text;
}
