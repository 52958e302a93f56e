/** What a server can say to others on the same database, and the bridge of one that is alone. */

export type Bridge = {
  /** Tells the others how far the log has come. */
  tellHead(number: number): void;
  /** Tells the others something of no more than `largestWord` bytes, unless it is lost. Before the connection is there, it is. */
  tell(topic: string, word: unknown): void;
  /** Called with what others tell. */
  on(topic: string, listener: (word: unknown) => void): void;
  close(): Promise<void>;
};

/** What a word may hold, with its topic and as JSON, in bytes. Several may travel together. */
export const largestWord = 7_000;

/** Of a server that is the only one. */
export const noBridge: Bridge = { tellHead: () => {}, tell: () => {}, on: () => {}, close: async () => {} };
