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
      serializers: { error: describeError },
      redact: {
        paths: [
          'authorization',
          'password',
          'token',
          'secret',
          '*.authorization',
          '*.password',
          '*.token',
          '*.secret',
        ],
      },
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
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => {
      logger.warn(fields ?? {}, message);
      flush();
    },
    error: (message, fields) => {
      logger.error(fields ?? {}, message);
      flush();
    },
    child: (fields) => wrap(logger.child(fields), flush),
  };
}
