/** Ends the command with one sentence on standard error. */
export class CliError extends Error {
  override readonly name = 'CliError';
  /** `usage`: the command line is wrong (exit status 2). Otherwise as in `extensions.code` of the API. */
  readonly code: string;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** The command line is wrong: exit status 2. */
export function usageError(message: string): CliError {
  return new CliError('usage', message);
}
