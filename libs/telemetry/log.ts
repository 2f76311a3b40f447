import { pino, stdSerializers } from 'pino';
import { PackhorseError, type Log, type LogFields } from '#base';
import { LineBatch } from './line-batch.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** An error as it is written to the log: code and metadata of each link of its chain of causes. */
function describeError(thrown: unknown): unknown {
  if (thrown instanceof PackhorseError) {
    return {
      code: thrown.code,
      message: thrown.message,
      ...(Object.keys(thrown.metadata).length > 0 && { metadata: thrown.metadata }),
      ...(thrown.code === 'internal' && { stack: thrown.stack }),
      ...(thrown.cause !== undefined && { cause: describeError(thrown.cause) }),
    };
  }
  return thrown instanceof Error ? stdSerializers.err(thrown) : thrown;
}

const secretNames: ReadonlySet<string> = new Set(['authorization', 'password', 'token', 'secret']);

/** Without what looks like a credential, in `fields` or in an object right below; the same object where there is none. */
function withoutSecrets<Fields extends object>(fields: Fields, isInner = false): Fields {
  let clean: Fields | undefined;
  for (const [name, value] of Object.entries(fields)) {
    const isSecret = secretNames.has(name);
    if (!isSecret && (isInner || typeof value !== 'object' || value === null)) continue;
    const kept: unknown = isSecret ? '[Redacted]' : withoutSecrets(value as object, true);
    if (kept !== value) clean = { ...(clean ?? fields), [name]: kept };
  }
  return clean ?? fields;
}

/** As they are written. pino could do both, at several times the cost of the rest of a line. */
function writable(fields: LogFields = {}): LogFields {
  const { error } = fields;
  return withoutSecrets(error === undefined ? fields : { ...fields, error: describeError(error) });
}

/**
 * Structured JSON lines on standard error (pino: the usual logger of Node servers, and the fastest),
 * some at a time.
 * Anything that looks like a credential is redacted, as a second line of defence.
 */
export function createLog(options: { readonly level: LogLevel; readonly fields?: LogFields }): Log {
  const lines = standardError();
  const logger = pino(
    {
      level: options.level,
      base: options.fields ?? {},
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      messageKey: 'message',
    },
    lines,
  );
  return wrap(logger, () => lines.flush());
}

/** Lines that were gathered go with the process; one destination for all logs of it. */
function standardError(): LineBatch {
  const destination = pino.destination({ dest: 2, sync: true });
  const lines = new LineBatch((text) => void destination.write(text));
  process.on('exit', () => lines.flush());
  return lines;
}

/** What is worth a warning may be the last that is heard of this process: it is written at once. */
function wrap(logger: pino.Logger, flush: () => void): Log {
  return {
    debug: (message, fields) => {
      if (logger.isLevelEnabled('debug')) logger.debug(writable(fields), message);
    },
    info: (message, fields) => {
      if (!logger.isLevelEnabled('info')) return;
      logger.info(writable(typeof fields === 'function' ? fields() : fields), message);
    },
    warn: (message, fields) => {
      logger.warn(writable(fields), message);
      flush();
    },
    error: (message, fields) => {
      logger.error(writable(fields), message);
      flush();
    },
    child: (fields) => wrap(logger.child(writable(fields)), flush),
  };
}
