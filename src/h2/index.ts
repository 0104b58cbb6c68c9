/** The face of the HTTP/2 frame core: connections over sockets, header blocks in and out. */
export { Connection } from './connection.js';
export type { Abort, Close, ConnectionHandler, ConnectionOptions } from './events.js';
export { ErrorCode, errorName, MAX_STREAM_ID } from './frames.js';
export { fieldValue, responseFault, trailersFault } from './headers.js';
export type { FieldList } from './hpack/decoder.js';
export { BlockWriter, encodeBlock } from './hpack/encoder.js';
export { LeakyBucket, STRICT_LIMITS, TRUSTED_LIMITS } from './limits.js';
export type { FloodLimit, FloodLimits } from './limits.js';
export type { LocalSettings, PeerSettings } from './settings.js';
export { SocketIo } from './socket-io.js';
export type { Stream } from './stream.js';
export type { Receiver, Transport } from './transport.js';
export { MAX_UNARY_MESSAGE_BYTES, serveUnary } from './unary.js';
export type { UnaryMethod, UnaryOptions } from './unary.js';
