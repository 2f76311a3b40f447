/** The options in front of a key, names in lower case; a value is without its quotes. */
export type KeyOptions = readonly { readonly name: string; readonly value: string | undefined }[];

export interface AuthorizedKeyLine {
  readonly options: KeyOptions;
  readonly algorithm: string;
  readonly base64: string;
}

const keyType = /^(?:ssh-|ecdsa-sha2-|sk-)[\w@.-]+$/;
/** One option: a name, and perhaps a value in quotes in which only a quote is escaped. */
const option = /([A-Za-z0-9-]+)(?:="((?:[^"\\]|\\.)*)")?(?:,|$)/y;

/**
 * Reads one line of an authorized_keys file (sshd(8)): `[OPTIONS] TYPE BASE64 [COMMENT]`. undefined
 * for an empty line, a comment and what is none; options that cannot be read become one option of
 * that text, which nobody honours.
 */
export function parseAuthorizedKey(line: string): AuthorizedKeyLine | undefined {
  const text = line.trim();
  if (text === '' || text.startsWith('#')) return undefined;
  const [first = '', ...others] = splitWords(text);
  const hasOptions = !keyType.test(first);
  const [algorithm, base64] = hasOptions ? others : [first, ...others];
  if (algorithm === undefined || base64 === undefined || !keyType.test(algorithm)) return undefined;
  return { options: hasOptions ? parseOptions(first) : [], algorithm, base64 };
}

/** Split at white space outside of quotes. */
function splitWords(text: string): readonly string[] {
  return text.match(/(?:"(?:[^"\\]|\\.)*"|[^\s"]|")+/g) ?? [];
}

function parseOptions(text: string): KeyOptions {
  const options: { name: string; value: string | undefined }[] = [];
  option.lastIndex = 0;
  while (option.lastIndex < text.length) {
    const match = option.exec(text);
    if (match === null) return [{ name: text, value: undefined }];
    const [, name = '', value] = match;
    options.push({ name: name.toLowerCase(), value: value?.replaceAll('\\"', '"') });
  }
  return options;
}
