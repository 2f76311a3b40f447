export type LogFields = Readonly<Record<string, unknown>>;

/** Structured logging: a static message and fields; `telemetry` has the real one. Never pass a secret. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  /** `fields` may be a function, which is called when the line is written. */
  info(message: string, fields?: LogFields | (() => LogFields)): void;
  warn(message: string, fields?: LogFields): void;
  /** Put the thrown value under `error`: its code, metadata and causes are then written out. */
  error(message: string, fields?: LogFields): void;
  /** A log that adds `fields` to everything it says. */
  child(fields: LogFields): Log;
}

/** Says nothing: for tests and for parts that run without a server. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};
