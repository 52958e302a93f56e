/** What the tests use of a library that brings no types. */
declare module '@20minutes/s3rver' {
  export default class S3rver {
    constructor(options: { address: string; port: number; silent: boolean; vhostBuckets: boolean; directory: string; configureBuckets: { name: string }[] });
    readonly context: object;
    run(): Promise<{ port: number }>;
    close(): Promise<void>;
  }
}
