import { PackhorseError } from '#base';

/** What a client said and met besides the path. */
export interface RequestPlace {
  /** With the slash in front. */
  readonly path: string;
  /** `HOST`, `HOST:PORT` or `[ADDRESS]:PORT`, as the client named the server. */
  readonly host: string;
  /** The address of this server that the client reached. */
  readonly localAddress: string;
}

/**
 * Where the repositories of each virtual host are (git-daemon(1), `--interpolated-path`): `%H` is the
 * host that the client named, `%P` its port, `%IP` the address that it reached, `%D` the path, `%%` a
 * percent sign. Nothing asks the DNS for what a client named, so there is no `%CH`.
 */
export class InterpolatedPath {
  readonly #template: string;

  /** Throws `invalid_argument` for a template without `%D`, or with `%CH`. */
  constructor(template: string) {
    const fields: readonly string[] = template.match(placeholder) ?? [];
    if (!fields.includes('%D') || fields.includes('%CH')) {
      throw new PackhorseError(
        'invalid_argument',
        '--interpolated-path must have %D in it, and may have %H, %P, %IP and %%; there is no %CH.',
      );
    }
    this.#template = template;
  }

  /** The path in the file system that is meant, which may be any. */
  expand({ path, host, localAddress }: RequestPlace): string {
    const { name, port } = splitHost(host);
    const values: Readonly<Record<string, string>> = {
      '%%': '%',
      '%H': withoutSteps(name).toLowerCase(),
      '%P': withoutSteps(port),
      '%IP': localAddress,
      '%D': path,
    };
    return this.#template.replace(placeholder, (field) => values[field] ?? field);
  }
}

const placeholder = /%(?:%|H|CH|P|IP|D)/g;

function splitHost(host: string): { readonly name: string; readonly port: string } {
  const {
    address,
    name = address ?? host,
    port = '',
  } = /^(?:\[(?<address>[^\]]*)\]|(?<name>.*?))(?::(?<port>[^:]*))?$/.exec(host)?.groups ?? {};
  return { name, port };
}

/** Without slashes, runs of dots and dots at either end, so that it names one directory at most (daemon.c, sanitize_client). */
function withoutSteps(text: string): string {
  return text
    .replaceAll('/', '')
    .replaceAll(/\.{2,}/g, '.')
    .replaceAll(/^\.|\.$/g, '');
}
