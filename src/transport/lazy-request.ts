/** Requests as plugins know them (https://fetch.spec.whatwg.org), for operations that came without one: made of the head of the HTTP request only when a plugin looks. */
import type { RequestHead } from '../api/pipeline.ts';

/** How to make them. `method` and `url` are known without making anything; the body was read before. */
export function createLazyRequest(RequestType: typeof Request): (from: RequestHead) => Request {
  class LazyRequest {
    // An operation, whatever brought it: the upgrade of a socket was a GET.
    readonly method = 'POST';
    readonly url = 'http://localhost/graphql';
    readonly #from: RequestHead;
    #made: Request | null = null;
    constructor(from: RequestHead) {
      this.#from = from;
    }
    make(): Request {
      return (this.#made ??= new RequestType(this.url, { method: this.method, headers: this.#from.headers as Record<string, string> }));
    }
  }
  for (const name of [
    'headers',
    'signal',
    'body',
    'bodyUsed',
    'cache',
    'credentials',
    'destination',
    'integrity',
    'keepalive',
    'mode',
    'redirect',
    'referrer',
    'referrerPolicy',
  ] as const)
    Object.defineProperty(LazyRequest.prototype, name, {
      get(this: LazyRequest) {
        return this.make()[name];
      },
    });
  for (const name of ['json', 'text', 'arrayBuffer', 'blob', 'formData', 'clone'] as const)
    Object.defineProperty(LazyRequest.prototype, name, {
      value(this: LazyRequest) {
        return this.make()[name]();
      },
    });
  return (from) => new LazyRequest(from) as unknown as Request;
}
