/** What the daemon needs of a logger; pino satisfies it. */
export interface Logger {
  debug(context: object, message: string): void;
  info(context: object, message: string): void;
  warn(context: object, message: string): void;
  error(context: object, message: string): void;
}
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
