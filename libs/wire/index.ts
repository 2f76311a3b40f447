export * from './conversation.ts';
export * from './repository.ts';
export { hiddenRefs } from './hidden-refs.ts';
export { parseGitProtocol, type WireOptions } from './options.ts';
export { encodePktLine, flushPkt } from './pkt-line.ts';
export { PktReader } from './pkt-reader.ts';
export { isValidRefName } from './ref-name.ts';
export { advertiseReceivePack, serveReceivePack } from './receive-pack.ts';
export { advertiseUploadPack, serveUploadPack } from './upload-pack.ts';
