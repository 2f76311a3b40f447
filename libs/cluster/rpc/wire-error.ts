import { type ErrorCode, type ErrorMetadata, PackhorseError, toPackhorseError } from '#base';

/** An error as a value in a message. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly metadata: ErrorMetadata;
}

export function toWireError(thrown: unknown): WireError {
  const { code, message, metadata } = toPackhorseError(thrown);
  return { code, message, metadata };
}

export function fromWireError({ code, message, metadata }: WireError): PackhorseError {
  return new PackhorseError(code, message, { metadata });
}
